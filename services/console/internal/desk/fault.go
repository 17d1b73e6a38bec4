package desk

import "fmt"

// FaultKind says whose fault it is and what can be done about it.
type FaultKind string

// The kinds of fault. There are no others.
const (
	NotFound    FaultKind = "not_found"
	Invalid     FaultKind = "invalid"
	Forbidden   FaultKind = "forbidden"
	Conflict    FaultKind = "conflict"
	Unavailable FaultKind = "unavailable"
	Timeout     FaultKind = "timeout"
	Anonymous   FaultKind = "not_signed_in"
)

// Fault is why something asked for was not done: one sentence that says what to do, and where several things are wrong
// at once, each of them.
type Fault struct {
	Kind   FaultKind
	Detail string
	Items  []string
	Err    error // the cause, if it is not the asker's doing
}

func (f *Fault) Error() string {
	if f.Err != nil {
		return f.Detail + ": " + f.Err.Error()
	}
	return f.Detail
}

func (f *Fault) Unwrap() error { return f.Err }

func fault(kind FaultKind, format string, args ...any) *Fault {
	return &Fault{Kind: kind, Detail: fmt.Sprintf(format, args...)}
}

// unavailable says that something the console relies on does not answer.
func unavailable(what string, err error) *Fault {
	return &Fault{Kind: Unavailable, Detail: what, Err: err}
}
