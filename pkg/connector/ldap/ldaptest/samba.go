package ldaptest

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"
)

//go:embed smb.conf
var smbConf string

const domainAdminPassword = "Adm1n-Passw0rd"

// StartSamba runs an Active Directory domain controller until the test ends. It needs root, to listen at 389 and 636.
func StartSamba(t testing.TB) *Server {
	t.Helper()
	samba, err := exec.LookPath("samba")
	if err != nil {
		if samba = "/usr/sbin/samba"; !exists(samba) {
			t.Fatal("ldaptest: Samba is not installed; on Debian: apt-get install samba-ad-dc samba-ad-provision")
		}
	}
	dir := t.TempDir()
	template, err := domain()
	if err != nil {
		t.Fatalf("ldaptest: %v", err)
	}
	if err := os.CopyFS(dir, os.DirFS(template)); err != nil {
		t.Fatalf("ldaptest: copy the domain: %v", err)
	}
	address, err := freeAddress("389", "636")
	if err != nil {
		t.Fatalf("ldaptest: find an address for Samba (root is needed to listen at 389 and 636): %v", err)
	}
	const base = "DC=ad,DC=acme,DC=example"
	admin := Login{"CN=Administrator,CN=Users," + base, domainAdminPassword}
	s := &Server{
		URL: "ldap://" + address, TLSURL: "ldaps://" + address, CAFile: filepath.Join(dir, "ca.pem"),
		Base: base, People: "OU=People," + base, Groups: "OU=Groups," + base, Service: admin, Admin: admin,
		t: t, domain: true, Log: filepath.Join(dir, "out.log"),
	}
	s.ready = s.dials
	s.args = []string{samba, "--foreground", "--no-process-group", "--model=single", "--debug-stdout", "--configfile=" + filepath.Join(dir, "smb.conf")}
	s.must("make a certificate", certify(dir, address))
	s.must("write smb.conf", writeSMBConf(dir, address))
	s.run()
	unit := func(name string) *ldap.AddRequest {
		return entry("OU="+name+","+base, map[string][]string{"objectClass": {"organizationalUnit"}})
	}
	s.fill([]*ldap.AddRequest{unit("People"), unit("Groups")})
	return s
}

func writeSMBConf(dir, address string) error {
	for _, name := range []string{"cache", "lock", "run", "ncalrpc"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			return err
		}
	}
	conf := strings.NewReplacer("FOLDER", dir, "ADDRESS", address).Replace(smbConf)
	return os.WriteFile(filepath.Join(dir, "smb.conf"), []byte(conf), 0o600)
}

// provision are the arguments that make a domain without DNS.
func provision(dir string) []string {
	return []string{"domain", "provision", "--targetdir=" + dir, "--realm=AD.ACME.EXAMPLE", "--domain=ACME", "--server-role=dc",
		"--adminpass=" + domainAdminPassword, "--dns-backend=NONE", "--host-name=dc1", "--host-ip=127.0.0.1", "--quiet"}
}

// domain provisions a domain once on this machine and returns its folder, to be copied.
func domain() (string, error) {
	version, err := exec.Command("samba", "--version").Output()
	if err != nil {
		return "", fmt.Errorf("ask Samba for its version: %w", err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the cache folder: %w", err)
	}
	sum := sha256.Sum256([]byte(string(version) + strings.Join(provision(""), " ")))
	dir := filepath.Join(cache, "joinery", "samba-"+hex.EncodeToString(sum[:8]))
	if exists(dir) {
		return dir, nil
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return "", fmt.Errorf("make the cache folder: %w", err)
	}
	staging, err := os.MkdirTemp(filepath.Dir(dir), "staging-")
	if err != nil {
		return "", fmt.Errorf("make the cache folder: %w", err)
	}
	if out, err := exec.Command("samba-tool", provision(staging)...).CombinedOutput(); err != nil {
		return "", errors.Join(fmt.Errorf("provision a domain: %w\n%s", err, out), os.RemoveAll(staging))
	}
	if err := os.Rename(staging, dir); err != nil && !exists(dir) { // if it is there, another test was faster: its domain is as good
		return "", fmt.Errorf("keep the domain: %w", err)
	}
	return dir, os.RemoveAll(staging)
}
