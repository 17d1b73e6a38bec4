package clickhouse_test

import (
	"net"
	"strings"
	"testing"

	driver "github.com/ClickHouse/clickhouse-go/v2"

	"joinery.internal/pkg/clickhouse"
)

func TestAURLChoosesTheInterfaceAndItsDefaultPort(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		addr     string
		protocol driver.Protocol
		tls      bool
	}{
		"http://u:p@db.acme.example":                   {"db.acme.example:8123", driver.HTTP, false},
		"https://u:p@db.acme.example":                  {"db.acme.example:8443", driver.HTTP, true},
		"clickhouse://u:p@db.acme.example":             {"db.acme.example:9000", driver.Native, false},
		"clickhouse://u:p@db.acme.example?secure=true": {"db.acme.example:9440", driver.Native, true},
		"clickhouse://u:p@[::1]:19000/joinery":         {"[::1]:19000", driver.Native, false},
		"http://u:p@db.acme.example:18123/joinery?x=1": {"db.acme.example:18123", driver.HTTP, false},
	}
	for url, want := range tests {
		o, err := clickhouse.Options(url)
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		if o.Addr[0] != want.addr || o.Protocol != want.protocol || (o.TLS != nil) != want.tls || o.Auth.Username != "u" || o.Auth.Password != "p" {
			t.Errorf("%s: %v %v tls=%v user=%s", url, o.Addr, o.Protocol, o.TLS != nil, o.Auth.Username)
		}
		if o.DialTimeout == 0 || o.ReadTimeout == 0 {
			t.Errorf("%s: no time limit", url)
		}
	}
}

func TestABadURLIsRefusedWithoutItsPassword(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"", "db.acme.example:9000", "mysql://u:secret@db.acme.example", "http://u:secret@", "http://u:sec%ret@h", "clickhouse://u:secret@h?dial_timeout=x"} {
		_, err := clickhouse.Options(url)
		if err == nil || strings.Contains(err.Error(), "sec") && strings.Contains(err.Error(), "ret@") {
			t.Errorf("Options(%q) = %v, want an error without the password", url, err)
		}
	}
}

func TestConnectGivesUpOnAServerThatSaysNothing(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	_, err = clickhouse.Connect(t.Context(), "clickhouse://u:secret@"+silent.Addr().String()+"?dial_timeout=50ms")
	if err == nil || !strings.Contains(err.Error(), silent.Addr().String()) || strings.Contains(err.Error(), "secret") {
		t.Fatalf("Connect = %v, want an error that names the address and not the password", err)
	}
}
