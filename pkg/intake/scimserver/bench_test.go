package scimserver_test

import (
	"fmt"
	"net/http"
	"testing"
)

// BenchmarkCreate is one client after the other, each write a transaction of its own.
func BenchmarkCreate(b *testing.B) {
	w := start(b)
	n := 0
	for b.Loop() {
		n++
		w.must(http.StatusCreated, "POST", w.url+"/Users", user(fmt.Sprint("u", n), object{"externalId": fmt.Sprint(n), enterpriseURN: object{"employeeNumber": fmt.Sprint(n)}}))
	}
}

// BenchmarkLookUp is what clients ask before each write: a user by name, among 1,000.
func BenchmarkLookUp(b *testing.B) {
	w := start(b)
	for n := range 1000 {
		w.must(http.StatusCreated, "POST", w.url+"/Users", user(fmt.Sprint("u", n)))
	}
	for name, filter := range map[string]string{"by name": `userName+eq+%22u500%22`, "by a filter that reads all": `title+eq+%22x%22`} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				w.must(http.StatusOK, "GET", w.url+"/Users?filter="+filter, nil)
			}
		})
	}
}
