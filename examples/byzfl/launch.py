"""Runs the command lines it is given, one JSON list a line on stdin, and says of each how it went, as JSON on stdout.

It is a process of its own because a child's largest resident memory, as the system keeps it, begins at what its parent had when it
was started: a parent that holds the rows itself would be measured instead. This one has imported next to nothing.
"""

import json
import os
import subprocess
import sys
import threading
import time

for line in sys.stdin:
    asked = json.loads(line)
    began = time.perf_counter()
    pipe = subprocess.PIPE
    child = subprocess.Popen(asked["words"], stdout=pipe, stderr=pipe, env={**os.environ, **asked["environment"]}, text=True)
    if asked["patience"]:
        clock = threading.Timer(asked["patience"], child.kill)
        clock.start()
    output, complaint = child.stdout.read(), child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    if asked["patience"]:
        clock.cancel()
    child.returncode = os.waitstatus_to_exitcode(status)
    told = {
        "code": child.returncode,
        "output": output,
        "complaint": complaint,
        "seconds": time.perf_counter() - began,
        "peak": usage.ru_maxrss / 1024,
        "read": usage.ru_inblock * 512,
    }
    print(json.dumps(told), flush=True)
