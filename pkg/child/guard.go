package child

// guard runs the program it is given and kills it when its own standard input closes, that is, when the parent is gone.
// It is the program's parent, so the id it kills is the program's until it has waited for it. The id is its ready line.
const guard = `exec 3<&0
"$@" </dev/null 3<&- & program=$!
(read -r _ <&3; kill -9 $program) >/dev/null 2>&1 & watch=$!
echo $program
wait $program; code=$?
kill -9 $watch
exit $code`

// Guarded wraps the arguments of a program that does not watch its standard input, a foreign server, so that it too is
// gone (by SIGKILL) when the parent is. What Ready gives is the program's own process id.
func Guarded(args ...string) []string {
	return append([]string{"/bin/sh", "-c", guard, "sh"}, args...)
}
