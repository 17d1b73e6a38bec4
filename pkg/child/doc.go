// Package child runs a program as a child process that outlives nothing: it stops by itself when its parent is gone.
//
// The parent holds the write end of a pipe that is the child's standard input. Nothing is ever written to it; that it
// closes is the message. The kernel closes it however the parent ends, so a `kill -9` of the parent is a clean stop of the child:
//
//	parent                                child
//	Start ---- fork, own group, pipe ---> ParentGone() watches stdin
//	Ready <--- one line on stdout ------- SayReady("127.0.0.1:9092")
//	Stop  ---- closes the pipe ---------> <-ParentGone(): flush, exit 0
//	Done, Err <------- exit ------------- after Stop's grace: SIGKILL to the group
//
// The child is the leader of a process group of its own, so a terminal's Ctrl-C reaches the parent alone and the parent
// decides. Descriptors above 2 are closed in it, also those the parent itself inherited: a lock file that leaks into a
// long-lived child is held for ever.
//
// A program that does not watch its standard input is run under Guarded.
//
// The package owns the process, its pipe and its log file; it does not own what the child's data folder holds (package
// dirlock guards that) nor restarts. Process is safe for concurrent use.
//
//	p, err := child.Start(ctx, child.Spec{Args: []string{exe, "broker-host", "--dir", dir}, Log: dir + "/broker.log"})
//	addr, err := p.Ready(ctx)
//	...
//	err = p.Stop(10 * time.Second)
package child
