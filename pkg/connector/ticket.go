package connector

import "time"

// Ticket is the ticket section of a target file: how an ITSM is asked to have a person make a change, and how its
// answers are read. Package rest says which variables the expressions have.
type Ticket struct {
	ID, State, Payload, Said string        // CEL over `item`; state gives open, done or rejected
	Find, Open               RESTCall      //
	Cancel                   *RESTCall     // of a ticket that a newer wish has overtaken; nil: left to the people
	Every                    time.Duration // how often an open ticket is looked at
}
