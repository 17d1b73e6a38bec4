package policy

import (
	"testing"
	"unicode"

	"github.com/go-ldap/ldap/v3"
)

func TestNamesAreFoldedToASCII(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"Žaneta Nováková": "Zaneta Novakova", "Søren Ægir": "Soren AEgir", "Łukasz Weiß": "Lukasz Weiss", "Nguyễn": "Nguyen",
		"D’Arcy": "D'Arcy", "ﬁn": "fin", "Иван": "", "Þór": "Thor",
	} {
		if got := ascii(in); got != want {
			t.Errorf("ascii(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestSlugsHaveSmallLettersDigitsAndSingleDashes(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"Anna  Maria": "anna-maria", "O'Brien": "obrien", " van der Berg ": "van-der-berg", "Smith-Jones": "smith-jones",
		"Žaneta": "žaneta", "--": "", "A.B": "a-b", "x2": "x2",
	} {
		if got := slug(in); got != want {
			t.Errorf("slug(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestATextIsOneValueOfADistinguishedNameWhateverItHolds(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"Sales", "Sales,OU=Admins", "R&D + Ops", ` a "b" \\<c>; `, "#1", " ", "a=b", "Účtárna, Praha", "x\x00y"} {
		dn, err := ldap.ParseDN("OU=" + rdn(text) + ",DC=acme")
		if err != nil || len(dn.RDNs) != 2 || len(dn.RDNs[0].Attributes) != 1 || dn.RDNs[0].Attributes[0].Value != text {
			t.Errorf("%q is written %q: %v", text, rdn(text), err)
		}
	}
}

func FuzzSlugOfASCIIIsAnAddress(f *testing.F) {
	f.Add("Žaneta O'Brien-Łuk")
	f.Fuzz(func(t *testing.T, s string) {
		got := slug(ascii(s))
		for _, r := range got {
			if r > unicode.MaxASCII || (r != '-' && !unicode.IsLower(r) && !unicode.IsDigit(r)) {
				t.Fatalf("slug(ascii(%q)) = %q", s, got)
			}
		}
		if again := slug(ascii(got)); again != got {
			t.Fatalf("slug(ascii(%q)) = %q, and again %q", s, got, again)
		}
	})
}
