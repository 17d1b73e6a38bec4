package ldaptest

import (
	_ "embed"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"
)

//go:embed slapd.conf
var slapdConf string

// Accesslog is below what slapd notes each change of the directory (slapo-accesslog).
const Accesslog = "cn=accesslog"

// StartSlapd runs an OpenLDAP server until the test ends.
func StartSlapd(t testing.TB) *Server {
	t.Helper()
	slapd, err := exec.LookPath("slapd")
	if err != nil {
		if slapd = "/usr/sbin/slapd"; !exists(slapd) {
			t.Fatal("ldaptest: slapd is not installed; on Debian: apt-get install slapd")
		}
	}
	const base = "dc=acme,dc=example"
	dir := t.TempDir()
	plain, secure := freePort(t), freePort(t)
	s := &Server{
		URL: "ldap://127.0.0.1:" + plain, TLSURL: "ldaps://127.0.0.1:" + secure, CAFile: filepath.Join(dir, "ca.pem"),
		Base: base, People: "ou=people," + base, Groups: "ou=groups," + base,
		Service: Login{"cn=joinery,ou=services," + base, "s3rvice-passw0rd"},
		Admin:   Login{"cn=admin," + base, "adm1n-passw0rd"},
		t:       t, Log: filepath.Join(dir, "slapd.log"),
	}
	s.ready = s.dials
	s.args = []string{slapd, "-f", filepath.Join(dir, "slapd.conf"), "-h", s.URL + " " + s.TLSURL, "-d", "0"}
	s.must("make a certificate", certify(dir, "127.0.0.1"))
	for _, name := range []string{"data", "journal"} {
		s.must("make the folder "+name, os.Mkdir(filepath.Join(dir, name), 0o700))
	}
	conf := strings.NewReplacer("FOLDER", dir, "ADMINPW", s.Admin.Password).Replace(slapdConf)
	s.must("write slapd.conf", os.WriteFile(filepath.Join(dir, "slapd.conf"), []byte(conf), 0o600))
	s.run()
	unit := func(name string) *ldap.AddRequest {
		return entry("ou="+name+","+base, map[string][]string{"objectClass": {"organizationalUnit"}, "ou": {name}})
	}
	s.fill([]*ldap.AddRequest{
		entry(base, map[string][]string{"objectClass": {"dcObject", "organization"}, "o": {"Acme"}, "dc": {"acme"}}),
		unit("people"), unit("groups"), unit("services"),
		entry(s.Service.DN, map[string][]string{"objectClass": {"organizationalRole", "simpleSecurityObject"}, "cn": {"joinery"}, "userPassword": {s.Service.Password}}),
		entry("cn=default,ou=services,"+base, map[string][]string{"objectClass": {"device", "pwdPolicy"}, "cn": {"default"},
			"pwdAttribute": {"userPassword"}, "pwdLockout": {"TRUE"}}),
	})
	return s
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// freePort finds a port on which nobody listens, below those that the kernel gives to outgoing connections: a client that
// looks for a server that is down must not take its port.
func freePort(t testing.TB) string {
	t.Helper()
	for range 100 {
		port := strconv.Itoa(20000 + rand.IntN(12000))
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", port))
		if err == nil {
			if err := l.Close(); err != nil {
				t.Fatalf("ldaptest: try port %s: %v", port, err)
			}
			return port
		}
	}
	t.Fatal("ldaptest: found no free port between 20000 and 32000")
	return ""
}

// freeAddress finds a loopback address where nobody listens at the given ports.
func freeAddress(ports ...string) (string, error) {
next:
	for range 100 {
		address := fmt.Sprintf("127.%d.%d.%d", 64+rand.IntN(128), rand.IntN(256), 1+rand.IntN(254))
		for _, port := range ports {
			l, err := net.Listen("tcp", net.JoinHostPort(address, port))
			if err != nil {
				if os.IsPermission(err) {
					return "", err
				}
				continue next
			}
			if err := l.Close(); err != nil {
				return "", err
			}
		}
		return address, nil
	}
	return "", fmt.Errorf("found no loopback address with free ports %s", strings.Join(ports, ", "))
}
