package gate

import "time"

// Clock tells the time.
type Clock interface{ Now() time.Time }

// Clocks are the two times there are. Senders sign by the world's; records are dated by the pipeline's, which in
// development may be elsewhere.
type Clocks struct{ World, Pipeline Clock }

// Machine is the world's time, as far as this machine knows it.
type Machine struct{}

// Now is the machine's time.
func (Machine) Now() time.Time { return time.Now().UTC() }

// Dated is a moment of the world in the pipeline's time. It is the same for the same moment as long as neither is moved.
func (c Clocks) Dated(t time.Time) time.Time {
	return t.Add(c.Pipeline.Now().Sub(c.World.Now()).Round(time.Second)).UTC()
}
