package intake

import "fmt"

// Fault is why what came can never be taken as it is: a dead letter. It names places, never what stands there. Every
// other error of an adapter is trouble that may pass.
type Fault struct {
	Class string // Decode or Invalid, or one of wire.Class
	Err   error
}

// Classes of faults. They are those of the dead letters.
const (
	Decode  = "decode"  // not a record in the form it should have
	Invalid = "invalid" // a record that the source's map cannot take
)

func (f *Fault) Error() string { return f.Err.Error() }
func (f *Fault) Unwrap() error { return f.Err }

// Faultf makes a Fault.
func Faultf(class, format string, args ...any) error {
	return &Fault{Class: class, Err: fmt.Errorf(format, args...)}
}
