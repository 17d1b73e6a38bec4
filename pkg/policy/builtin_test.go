package policy_test

import (
	"testing"

	"joinery.internal/pkg/config"
	"joinery.internal/pkg/policy"
)

func TestSourcesOfSCIMAndSharedSignalsNeedNoMap(t *testing.T) {
	t.Parallel()
	files := []config.File{{Name: "sources/a.yaml", Data: []byte(`
apiVersion: joinery/v1
kind: Source
metadata: {name: cloud}
spec: {authority: employment, intake: {scim: {token: "env:X"}}, correlate: [employee_number]}
---
apiVersion: joinery/v1
kind: Source
metadata: {name: soc}
spec: {authority: signal, intake: {ssf: {issuer: "https://idp.acme.example", audience: joinery}}, correlate: [email]}
`)}}
	b, err := policy.Check(config.Load(files))
	if err != nil {
		t.Fatal(err)
	}
	worker := map[string]any{"id": "u-1", "name": map[string]any{"givenName": "Ada"}, "enterprise": map[string]any{"department": "Finance"}, "userType": "Contractor",
		"email": "ada@acme.example", "phone": "", "manager_number": "7"}
	if r, err := b.MapRecord("cloud", worker); err != nil || r.SourceKey != "u-1" || r.Person.Department != "Finance" || r.Person.WorkerType != "contractor" || r.Person.Manager != "7" {
		t.Errorf("got %+v of %+v, %v", r.Person, r, err)
	}
	delete(worker, "userType")
	if r, err := b.MapRecord("cloud", worker); err != nil || r.Person.WorkerType != "employee" {
		t.Errorf("got %+v, %v", r.Person, err)
	}
	subject := map[string]any{"subject": map[string]any{"key": "ada@acme.example", "email": "", "account": "ada@acme.example", "externalId": ""}}
	if r, err := b.MapRecord("soc", subject); err != nil || r.SourceKey != "ada@acme.example" || r.Person.Email != "ada@acme.example" {
		t.Errorf("got %+v, %v", r, err)
	}
}
