package approvalproof_test

import (
	"bytes"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"joinery.internal/pkg/approvalproof"
	"joinery.internal/pkg/event"
	"joinery.internal/pkg/signing"
)

var now = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

func approved(key approvalproof.Key) event.Approval {
	a := event.Approval{RequestID: "rq-1", Role: "payments-approver", Entitlements: []string{"erp:role/a", "erp:role/b"}, Policy: "p1", ExpiresAt: now.AddDate(0, 0, 90)}
	a.Signature = key.Sign("id-1", a)
	return a
}

func TestASignedApprovalVerifiesUntilItExpires(t *testing.T) {
	t.Parallel()
	key := approvalproof.NewKey(bytes.Repeat([]byte{1}, 32))
	a := approved(key)
	if err := approvalproof.Verify(key.Public(), "id-1", a, now); err != nil {
		t.Fatal(err)
	}
	a.Entitlements = []string{"erp:role/b", "erp:role/a"} // the order means nothing
	if err := approvalproof.Verify(key.Public(), "id-1", a, a.ExpiresAt.Add(-time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if err := approvalproof.Verify(key.Public(), "id-1", a, a.ExpiresAt); !errors.Is(err, approvalproof.ErrExpired) {
		t.Fatalf("at its expiry: got %v, want ErrExpired", err)
	}
}

func TestAnApprovalThatWasAlteredIsForged(t *testing.T) {
	t.Parallel()
	key := approvalproof.NewKey(bytes.Repeat([]byte{1}, 32))
	for name, alter := range map[string]func(*event.Approval){
		"request":     func(a *event.Approval) { a.RequestID = "rq-2" },
		"role":        func(a *event.Approval) { a.Role = "admin" },
		"entitlement": func(a *event.Approval) { a.Entitlements = append(a.Entitlements, "erp:role/c") },
		"boundary":    func(a *event.Approval) { a.Entitlements = []string{"erp:role/aerp:role/b"} },
		"policy":      func(a *event.Approval) { a.Policy = "p2" },
		"expiry":      func(a *event.Approval) { a.ExpiresAt = a.ExpiresAt.AddDate(1, 0, 0) },
		"no expiry":   func(a *event.Approval) { a.ExpiresAt = time.Time{} },
		"signature":   func(a *event.Approval) { a.Signature = nil },
	} {
		a := approved(key)
		alter(&a)
		if err := approvalproof.Verify(key.Public(), "id-1", a, now); !errors.Is(err, approvalproof.ErrForged) {
			t.Errorf("%s altered: got %v, want ErrForged", name, err)
		}
	}
	if err := approvalproof.Verify(key.Public(), "id-2", approved(key), now); !errors.Is(err, approvalproof.ErrForged) {
		t.Errorf("for somebody else: got %v, want ErrForged", err)
	}
}

func TestAVerifierMayBeMadeBeforeTheKey(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), approvalproof.KeyFile)
	v := approvalproof.NewVerifier(file + signing.PublicSuffix)
	if err := v.Verify("id-1", event.Approval{}, now); !errors.Is(err, approvalproof.ErrNoKey) {
		t.Fatalf("without a key: got %v, want ErrNoKey", err)
	}
	key, err := approvalproof.OpenKey(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Verify("id-1", approved(key), now); err != nil {
		t.Fatal(err)
	}
}
