"""Sums up `go test -json`: packages, failures with their output, and every skipped test with its reason,
and what the long-running tests have counted."""
import json
import sys

passed, failed, skipped, proved = 0, [], [], []
output = {}
for name in sys.argv[1:]:
    for line in open(name):
        try:
            e = json.loads(line)
        except ValueError:
            print(line, end="")
            continue
        key = (e.get("Package", e.get("ImportPath", "")), e.get("Test", ""))
        action = e["Action"]
        if action in ("output", "build-output"):
            output.setdefault(key, []).append(e["Output"])
            if e["Output"].startswith(("process tier: ", "virtual time: ", "last mile: ")):
                proved.append(e["Output"])
        elif action == "pass" and key[1]:
            passed += 1
        elif action == "pass":
            print(f"ok    {key[0]}  {e.get('Elapsed', 0):.1f}s")
        elif action == "fail":
            failed.append(key)
        elif action == "skip" and key[1]:
            skipped.append(key)
for line in [text for key, lines in output.items() if not key[1] for text in lines if "build failed" in text or "cannot" in text]:
    print(line, end="")
for key in failed:
    print(f"FAIL  {key[0]} {key[1]}")
    print("".join(output.get(key, []))[-6000:])
for key in skipped:
    reason = [line.strip() for line in output.get(key, []) if "_test.go" in line or ": " in line]
    print(f"skip  {key[0]} {key[1]}: {reason[-1] if reason else 'no reason given'}")
print("".join(proved), end="")
failures = len([key for key in failed if key[1]]) or len(failed)
print(f"{passed} passed, {failures} failed, {len(skipped)} skipped")
