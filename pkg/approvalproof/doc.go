// Package approvalproof makes and verifies the proof that somebody's role was approved: a signature over who gets what,
// by which request, under which policy, until when. Writing to a topic can so never grant.
//
// It owns the bytes that are signed; the key files are those of pkg/signing. It does not own who may approve (services/approval) nor what
// follows from a proof (services/provisioner).
//
// The approval service holds the private key; who verifies needs the public key alone. Signatures are Ed25519, which is
// deterministic: a transaction tried again writes the same bytes. A Key and a Verifier are safe for concurrent use.
//
//	key, err := approvalproof.OpenKey("data/approval.key") // also writes data/approval.key.pub
//	proof.Signature = key.Sign(beneficiary, proof)
//
//	v := approvalproof.NewVerifier("data/approval.key.pub")
//	if err := v.Verify(beneficiary, proof, now); err != nil { ... } // ErrForged, ErrExpired, ErrNoKey
package approvalproof
