package wire

// Class is the package's Class as a method, so that a Serde is all a runtime needs to tell poison from trouble.
func (s *Serde) Class(err error) string { return Class(err) }
