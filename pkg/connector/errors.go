package connector

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"strings"
	"time"
)

// Class says what a failure means for the next try.
//
//	class        meaning                                next                                          retryable
//	transient    down, cut before it acted, 503         again, later                                  yes
//	throttled    429, quota                             again, not before RetryAfter                  yes
//	ambiguous    sent, no answer                        read first; Drive always does                 yes
//	waiting      a person has been asked               again after RetryAfter; nothing is wrong              yes
//	conflict     exists, or changed underneath          read, adopt or re-plan; maybe another name    yes
//	not_found    the object is gone                     read and re-plan                              yes
//	denied       our rights lack something              stop writes of that kind, alert               no
//	invalid      the value will never be accepted       exception; heals by a corrected policy        no
//	unsupported  the target cannot do that              exception; correct the target file            no
type Class string

// The classes. There are no others.
const (
	Transient   Class = "transient"
	Throttled   Class = "throttled"
	Ambiguous   Class = "ambiguous"
	Waiting     Class = "waiting"
	Conflict    Class = "conflict"
	NotFound    Class = "not_found"
	Denied      Class = "denied"
	Invalid     Class = "invalid"
	Unsupported Class = "unsupported"
)

// Retryable reports whether driving again, with nothing else changed, can succeed.
func (c Class) Retryable() bool {
	switch c {
	case Transient, Throttled, Ambiguous, Waiting, Conflict, NotFound:
		return true
	default:
		return false
	}
}

// ErrNotFound is what Get returns when there is no such account: errors.Is(err, ErrNotFound).
var ErrNotFound = errors.New("no such account in the target")

// Error is a failure of a target.
type Error struct {
	Class      Class
	RetryAfter time.Duration // not before this long from now; 0: the target did not say
	Op         string        // verb and object: "create account ana.berg"
	Err        error
}

// Error names the operation, the class and the cause.
func (e *Error) Error() string { return fmt.Sprintf("%s: %s: %v", e.Op, e.Class, e.Err) }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is makes every error of class NotFound an ErrNotFound.
func (e *Error) Is(target error) bool { return target == ErrNotFound && e.Class == NotFound }

// ClassOf returns the class of err; "" for nil. An error without a class, a context's end among them, is Transient: the
// next drive begins by reading.
func ClassOf(err error) Class {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Class
	}
	return Transient
}

// RetryAfter returns how long the target asked us to wait; 0 if it did not say.
func RetryAfter(err error) time.Duration {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.RetryAfter
	}
	return 0
}

// Errorf makes an Error from a class, the operation and a formatted cause.
func Errorf(class Class, op, format string, args ...any) error {
	return &Error{Class: class, Op: op, Err: fmt.Errorf(format, args...)}
}

// ContextError is the error of a call that ended with its context: sent says whether the target may have acted.
func ContextError(ctx context.Context, op string, sent bool) error {
	if sent {
		return &Error{Class: Ambiguous, Op: op, Err: context.Cause(ctx)}
	}
	return &Error{Class: Transient, Op: op, Err: context.Cause(ctx)}
}

// minRedacted is the shortest value worth hiding; shorter ones ("5", "de") would tear holes into ordinary words.
const minRedacted = 3

// Redact takes what a target said and replaces the values of want in it by their names, so that an error can go to
// logs and dead letters: targets like to echo the value they refuse.
func Redact(text string, want Object) string {
	values := make(map[string]string, len(want.Attributes))
	for name, value := range want.Attributes {
		if len(value) >= minRedacted {
			values[value] = name
		}
	}
	longest := make([]string, 0, len(values))
	for value := range values {
		longest = append(longest, value)
	}
	// Longest first: a value may contain another.
	sort.Slice(longest, func(i, j int) bool {
		if len(longest[i]) != len(longest[j]) {
			return len(longest[i]) > len(longest[j])
		}
		return longest[i] < longest[j]
	})
	for _, value := range longest {
		text = strings.ReplaceAll(text, value, "["+values[value]+"]")
	}
	return text
}
