"""Drives a real browser over the live page.

    page.py CHROMIUM PROFILE ADDRESS < steps, one JSON value a line       each answer is a line of JSON

    {"open": "/"}                         goes there, and waits until it is loaded
    {"until": "expression"}               waits until it is true, and says what it was
    {"is": "expression"}                  says what it is now
    {"type": "text"} {"key": "Enter"}     from the keyboard, to whatever has the focus
    {"width": 360, "height": 740}         the size of the window
    {"scheme": "dark"}                    what the system prefers
    {"offline": true}                     no network any more
    {"picture": "file.png"}               what is seen
    {"faults": true}                      errors of the console, violations of the policy, requests to other hosts

The protocol of Chromium's developer tools over a pipe: nothing but Python's own library.
"""

import base64
import json
import os
import signal
import subprocess
import sys
import time

PATIENCE = 20


class Browser:
    def __init__(self, program, profile):
        out_read, self.to = os.pipe()
        self.back, in_write = os.pipe()

        def ends():
            # Chromium reads from 3 and writes to 4.
            read, write = os.dup(out_read), os.dup(in_write)
            os.dup2(read, 3)
            os.dup2(write, 4)

        self.process = subprocess.Popen(
            [program, "--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--no-first-run",
             "--disable-dev-shm-usage", "--disable-background-networking", "--disable-component-update",
             "--disable-sync", "--disable-default-apps", "--disable-extensions", f"--user-data-dir={profile}", "about:blank"],
            close_fds=False, preexec_fn=ends, start_new_session=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(out_read)
        os.close(in_write)
        self.rest, self.number, self.session, self.events = b"", 0, None, []

    def read(self):
        while b"\0" not in self.rest:
            part = os.read(self.back, 1 << 16)
            if not part:
                raise SystemExit("the browser is gone")
            self.rest += part
        message, self.rest = self.rest.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.read()
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise SystemExit(f"{method}: {answer['error']}")
                return answer["result"]
            self.events.append(answer)

    def attach(self):
        page = next(target for target in self.call("Target.getTargets")["targetInfos"] if target["type"] == "page")
        self.session = self.call("Target.attachToTarget", targetId=page["targetId"], flatten=True)["sessionId"]
        for domain in ["Page", "Runtime", "Log", "Network"]:
            self.call(f"{domain}.enable")

    def value(self, expression):
        told = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in told:
            raise SystemExit(f"{expression}: {told['exceptionDetails']['exception'].get('description')}")
        return told["result"].get("value")

    def until(self, expression):
        end = time.monotonic() + PATIENCE
        while True:
            value = self.value(expression)
            if value:
                return value
            if time.monotonic() > end:
                text = self.value("document.body.dataset.state + ': ' + document.body.innerText.slice(0, 3000)")
                raise SystemExit(f"not within {PATIENCE} s: {expression}\n{text}")
            time.sleep(0.02)

    def faults(self, base):
        found = []
        for event in self.events:
            kind, about = event["method"], event.get("params", {})
            if kind == "Runtime.exceptionThrown":
                found.append(about["exceptionDetails"].get("exception", {}).get("description", "exception"))
            elif kind == "Runtime.consoleAPICalled" and about["type"] in ("error", "warning"):
                found.append(str(about["args"]))
            elif kind == "Log.entryAdded" and about["entry"]["level"] in ("error", "warning"):
                # That a call was refused is what some steps are about.
                if about["entry"]["source"] != "network":
                    found.append(about["entry"]["text"])
            elif kind == "Network.requestWillBeSent":
                url = about["request"]["url"]
                if not url.startswith((base, "data:,", "about:")):
                    found.append(f"request to {url}")
        return found


def run(browser, base, step):
    (kind, what), = [pair for pair in step.items() if pair[0] != "height"]
    if kind == "open":
        browser.call("Page.navigate", url=base + what)
        return browser.until("document.readyState === 'complete'")
    if kind == "until":
        return browser.until(what)
    if kind == "is":
        return browser.value(what)
    if kind == "type":
        return browser.call("Input.insertText", text=what)
    if kind == "key":
        text = {"Enter": "\r", " ": " "}.get(what, "")
        code = {"Enter": 13, "Escape": 27, "Tab": 9, " ": 32}[what]
        key = {"key": what, "code": what if what != " " else "Space", "windowsVirtualKeyCode": code}
        browser.call("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", text=text, **key)
        return browser.call("Input.dispatchKeyEvent", type="keyUp", **key)
    if kind == "width":
        size = {"width": what, "height": step["height"], "deviceScaleFactor": 1, "mobile": what < 500}
        return browser.call("Emulation.setDeviceMetricsOverride", **size)
    if kind == "scheme":
        return browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": what}])
    if kind == "offline":
        return browser.call("Network.emulateNetworkConditions", offline=what, latency=0, downloadThroughput=-1, uploadThroughput=-1)
    if kind == "picture":
        with open(what, "wb") as file:
            file.write(base64.b64decode(browser.call("Page.captureScreenshot", format="png")["data"]))
        return True
    return browser.faults(base)


def main():
    program, profile, address = sys.argv[1:]
    browser = Browser(program, profile)
    try:
        browser.attach()
        for line in sys.stdin:
            print(json.dumps(run(browser, f"http://{address}", json.loads(line))), flush=True)
    finally:
        os.killpg(browser.process.pid, signal.SIGKILL)
        browser.process.wait()


main()
