package process_test

import (
	"net"
	"strings"
	"sync"
	"testing"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"
)

// ldapFront is a directory's door: it reads each message that passes.
type ldapFront struct {
	address string
	dial    func() (net.Conn, error) // the directory
	people  string                   // what a listing is of

	mu         sync.Mutex
	misbehaves string
}

// busy is how a directory throttles.
const busy = "busy"

func newLDAPFront(t testing.TB, people string, dial func() (net.Conn, error)) *ldapFront {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &ldapFront{address: l.Addr().String(), dial: dial, people: people}
	var group sync.WaitGroup
	group.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			group.Go(func() { f.serve(c) })
		}
	})
	t.Cleanup(func() { l.Close(); group.Wait() }) // the gate before it has cut the connections
	return f
}

func (f *ldapFront) misbehave(name string) fault {
	set := func(name string) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.misbehaves = name
	}
	return fault{name, func() { set(name) }, func() { set("") }, name == lies}
}

func (f *ldapFront) serve(client net.Conn) {
	defer client.Close()
	directory, err := f.dial()
	if err != nil {
		return
	}
	var spoilt sync.Map // how, by message id
	var back sync.WaitGroup
	defer back.Wait()
	defer directory.Close()
	back.Go(func() { answersOf(directory, client, &spoilt) })
	for {
		request, err := ber.ReadPacket(client)
		if err != nil || len(request.Children) < 2 {
			return
		}
		f.mu.Lock()
		name := f.misbehaves
		f.mu.Unlock()
		code := uint16(ldap.LDAPResultSuccess)
		switch write := changes(request); {
		case name == busy && operation(request) != ldap.ApplicationBindRequest && operation(request) != ldap.ApplicationUnbindRequest:
			code = ldap.LDAPResultBusy
		case name == lies && write:
		case name == errsAfter && write, name == shortens && f.lists(request):
			spoilt.Store(request.Children[0].Value, name)
			fallthrough
		default:
			if _, err := directory.Write(request.Bytes()); err != nil {
				return
			}
			continue
		}
		if _, err := client.Write(result(request, code)); err != nil {
			return
		}
	}
}

// answersOf passes answers on, and spoils those that are to be.
func answersOf(directory, client net.Conn, spoilt *sync.Map) {
	defer client.Close()
	for entries := 0; ; {
		answer, err := ber.ReadPacket(directory)
		if err != nil || len(answer.Children) < 2 {
			return
		}
		bytes := answer.Bytes()
		switch how, _ := spoilt.Load(answer.Children[0].Value); {
		case how == errsAfter:
			answer.Children[1].Tag-- // as the request's
			bytes = result(answer, ldap.LDAPResultOther)
		case how == shortens && operation(answer) == ldap.ApplicationSearchResultEntry:
			if entries++; entries%2 == 0 {
				continue
			}
		}
		if _, err := client.Write(bytes); err != nil {
			return
		}
	}
}

func operation(message *ber.Packet) ber.Tag { return message.Children[1].Tag }

// changes knows a request that changes something.
func changes(request *ber.Packet) bool {
	switch operation(request) {
	case ldap.ApplicationModifyRequest, ldap.ApplicationAddRequest, ldap.ApplicationDelRequest, ldap.ApplicationModifyDNRequest:
		return true
	}
	return false
}

// ldapWrites does so for the gate, which sees one message at a time.
func ldapWrites() func([]byte) bool {
	return func(chunk []byte) bool {
		message, err := ber.DecodePacketErr(chunk)
		return err == nil && len(message.Children) > 1 && changes(message)
	}
}

// lists knows a page of a listing: a search for people with a control.
func (f *ldapFront) lists(request *ber.Packet) bool {
	if operation(request) != ldap.ApplicationSearchRequest || len(request.Children) < 3 {
		return false
	}
	base, _ := request.Children[1].Children[0].Value.(string)
	return strings.EqualFold(base, f.people)
}

// result is an answer with nothing but a code.
func result(request *ber.Packet, code uint16) []byte {
	tag := operation(request) + 1
	if operation(request) == ldap.ApplicationSearchRequest {
		tag = ldap.ApplicationSearchResultDone
	}
	text := func() *ber.Packet {
		return ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, "", "")
	}
	answer := ber.Encode(ber.ClassApplication, ber.TypeConstructed, tag, nil, "")
	answer.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagEnumerated, int64(code), ""))
	answer.AppendChild(text())
	answer.AppendChild(text())
	message := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSequence, nil, "")
	message.AppendChild(request.Children[0])
	message.AppendChild(answer)
	return message.Bytes()
}
