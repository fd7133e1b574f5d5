"""A headless Chromium, spoken to through a pair of pipes in its DevTools protocol: nothing but the standard library and the browser."""

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import time

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--hide-scrollbars", "--remote-debugging-pipe",
)  # fmt: skip

# The browser reads from descriptor 3 and writes to 4; both are set in a process of their own, since this one may use them.
_LAUNCH = (
    "import fcntl, os, sys; ends = [fcntl.fcntl(int(end), fcntl.F_DUPFD, 10) for end in sys.argv[1:3]]; "
    "[os.dup2(end, number) for end, number in zip(ends, (3, 4))]; os.execv(sys.argv[3], sys.argv[3:])"
)


def program():
    """The browser's path, or `None`."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class Browser:
    """One browser with one page."""

    def __init__(self, profile, width=1100, height=760):
        reads, self._to = os.pipe()
        self._from, writes = os.pipe()
        command = [sys.executable, "-c", _LAUNCH, str(reads), str(writes), program(), *FLAGS, f"--user-data-dir={profile}"]
        self._process = subprocess.Popen(command, pass_fds=(reads, writes), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(reads)
        os.close(writes)
        self._rest, self._number, self._session, self.events = b"", 0, None, []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")
        self.size(width, height)

    def size(self, width, height, density=1):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=density, mobile=False)

    def call(self, method, timeout=60, **arguments):
        self._number += 1
        message = {"id": self._number, "method": method, "params": arguments} | ({"sessionId": self._session} if self._session else {})
        os.write(self._to, json.dumps(message).encode() + b"\0")
        found = self._until(lambda message: message.get("id") == self._number, timeout, method)
        if "error" in found:
            raise RuntimeError(f"{method}: {found['error']}")
        return found["result"]

    def _until(self, wanted, timeout, what):
        end = time.monotonic() + timeout
        while True:
            while b"\0" in self._rest:
                text, _, self._rest = self._rest.partition(b"\0")
                message = json.loads(text)
                if "id" not in message:
                    self.events.append(message)
                if wanted(message):
                    return message
            if not select.select([self._from], [], [], max(0, end - time.monotonic()))[0]:
                raise TimeoutError(f"{what}: no answer within {timeout} s")
            some = os.read(self._from, 1 << 20)
            if not some:
                raise RuntimeError(f"{what}: the browser has ended")
            self._rest += some

    def open(self, path):
        """Loads a file and waits until it is there."""
        self.events.clear()
        self.call("Page.navigate", url=path.resolve().as_uri())
        if not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self._until(lambda message: message.get("method") == "Page.loadEventFired", 60, "loading")

    def complaints(self):
        """What the console holds of errors and warnings, and exceptions that nobody caught."""
        self.value("0")  # what was said before has arrived by now
        found = [event["params"] for event in self.events if event["method"] == "Runtime.exceptionThrown"]
        said = [event["params"] for event in self.events if event["method"] == "Runtime.consoleAPICalled"]
        found += [each for each in said if each["type"] in ("error", "warning", "assert")]
        return found + [e["params"]["entry"] for e in self.events if e["method"] == "Log.entryAdded"]

    def value(self, expression):
        """What an expression gives in the page; promises are waited for."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in found:
            raise RuntimeError(f"{expression}: {found['exceptionDetails']}")
        return found["result"].get("value")

    def frames(self, count=2):
        """Waits for so many pictures."""
        self.value(f"new Promise((done) => {{ let left = {count}; const next = () => (left-- ? requestAnimationFrame(next) : done(0)); next(); }})")

    def mouse(self, kind, x, y, **arguments):
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **arguments)

    def drag(self, start, end, steps=4):
        button = {"button": "left", "buttons": 1, "clickCount": 1}
        self.mouse("mouseMoved", *start)
        self.mouse("mousePressed", *start, **button)
        for step in range(1, steps + 1):
            self.mouse("mouseMoved", *(a + (b - a) * step / steps for a, b in zip(start, end, strict=True)), **button)
        self.mouse("mouseReleased", *end, button="left", clickCount=1)

    def click(self, x, y):
        self.drag((x, y), (x, y), steps=0)

    def key(self, key, **arguments):
        text = {"text": key} if len(key) == 1 else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, **text, **arguments)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, **arguments)

    def screenshot(self):
        """The page as the bytes of a PNG."""
        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])

    def close(self):
        try:
            self._session = None
            self.call("Browser.close", timeout=10)
            self._process.wait(10)
        except (OSError, RuntimeError, TimeoutError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait(10)
        os.close(self._to)
        os.close(self._from)
