package ldap

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"joinery.internal/pkg/connector"
)

const (
	syncreplOID = ldap.ControlTypeSyncRequest
	dirSyncOID  = ldap.ControlTypeDirSync

	dirSyncEvery      = time.Second // a domain controller tells only who asks
	dirSyncAttributes = 1 << 20     // bytes of attributes in one answer
)

// watches says whether the server can tell of changes: Syncrepl (RFC 4533), or DirSync in Active Directory.
func (c *Client) watches(controls []string) bool {
	if c.profile.connector == "ad" {
		return slices.Contains(controls, dirSyncOID)
	}
	return slices.Contains(controls, syncreplOID)
}

// Changes tells of accounts that were added, changed, moved or deleted. The server says which; each is then read as it is
// now, with its groups. Who was put into a group or taken out is a change of the group, and is left to a listing.
// Active Directory demands the right "replicating directory changes".
func (c *Client) Changes(ctx context.Context, token string) iter.Seq2[connector.Change, error] {
	const op = "watch accounts"
	return func(yield func(connector.Change, error) bool) {
		cookie, err := base64.StdEncoding.DecodeString(token)
		if err != nil || len(cookie) == 0 {
			cookie = nil
		}
		tell := func(id string, cookie []byte) error {
			change := connector.Change{Token: base64.StdEncoding.EncodeToString(cookie)}
			change.Object, err = c.Get(ctx, connector.Ref{RemoteID: id})
			if isNotFound(err) {
				change.Object, change.Gone, err = connector.Object{Ref: connector.Ref{RemoteID: id}}, true, nil
			}
			if err == nil && !yield(change, nil) {
				err = errEnough
			}
			return err
		}
		k := &call{ctx: ctx, op: op}
		if k.conn, err = c.pool.take(ctx); err == nil {
			defer k.conn.end()
			defer context.AfterFunc(ctx, func() { _ = k.conn.raw.Close() })()
			if c.profile.connector == "ad" {
				err = c.dirSync(k, cookie, tell)
			} else {
				err = c.syncrepl(k, cookie, tell)
			}
		}
		if ctx.Err() == nil && !errors.Is(err, errEnough) {
			yield(connector.Change{}, k.fail(err))
		}
	}
}

// errEnough ends a watch that nobody listens to any more.
var errEnough = errors.New("enough")

// syncrepl has the server tell (refreshAndPersist). Without a cookie it first lists what is there, which is no news.
func (c *Client) syncrepl(k *call, cookie []byte, tell func(id string, cookie []byte) error) error {
	request := ldap.NewSearchRequest(c.profile.base.String(), ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false, c.profile.people, []string{"1.1"}, nil)
	anew, news := cookie == nil, cookie != nil
	response := k.conn.Syncrepl(k.ctx, request, 64, ldap.SyncRequestModeRefreshAndPersist, cookie, anew)
	for response.Next() {
		for _, control := range response.Controls() {
			switch s := control.(type) {
			case *ldap.ControlSyncState:
				if len(s.Cookie) > 0 {
					cookie = s.Cookie
				}
				if !news || s.State == ldap.SyncStatePresent {
					continue
				}
				if err := tell(s.EntryUUID.String(), cookie); err != nil {
					return err
				}
			case *ldap.ControlSyncInfo:
				gone, err := refreshed(s, &cookie, anew)
				if err != nil {
					return err
				}
				news = news || s.RefreshDelete != nil || s.RefreshPresent != nil
				for _, id := range gone {
					if err := tell(id, cookie); err != nil {
						return err
					}
				}
			}
		}
	}
	if err := response.Err(); err != nil {
		if ldap.IsErrorWithCode(err, ldap.LDAPResultSyncRefreshRequired) {
			return &connector.Error{Class: connector.NotFound, Err: fmt.Errorf("the server has forgotten where we were: %w", err)}
		}
		return err
	}
	return connector.Errorf(connector.Transient, "", "the server has stopped telling")
}

// refreshed takes what the server says of its refresh: the cookie, and who is gone. A server that names those who are
// there, instead of those who are gone, cannot say what was missed.
func refreshed(s *ldap.ControlSyncInfo, cookie *[]byte, anew bool) (gone []string, err error) {
	keep := func(c []byte) {
		if len(c) > 0 {
			*cookie = c
		}
	}
	switch {
	case s.NewCookie != nil:
		keep(s.NewCookie.Cookie)
	case s.RefreshDelete != nil:
		keep(s.RefreshDelete.Cookie)
	case s.RefreshPresent != nil:
		keep(s.RefreshPresent.Cookie)
		if !anew {
			return nil, &connector.Error{Class: connector.NotFound, Err: errors.New("the server does not know who went since")}
		}
	case s.SyncIdSet != nil:
		keep(s.SyncIdSet.Cookie)
		if s.SyncIdSet.RefreshDeletes {
			for _, id := range s.SyncIdSet.SyncUUIDs {
				gone = append(gone, id.String())
			}
		}
	}
	return gone, nil
}

// dirSync asks again and again. Its first answer, without a cookie, is everything there is, which is no news.
func (c *Client) dirSync(k *call, cookie []byte, tell func(id string, cookie []byte) error) error {
	every := time.NewTicker(dirSyncEvery)
	defer every.Stop()
	for news := cookie != nil; ; news = true {
		ids, next, err := c.dirSyncOnce(k, cookie)
		if err != nil {
			return err
		}
		cookie = next
		for _, id := range ids {
			if !news {
				break
			}
			if err := tell(id, cookie); err != nil {
				return err
			}
		}
		select {
		case <-every.C:
		case <-k.ctx.Done():
			return k.ctx.Err()
		}
	}
}

// dirSyncOnce reads all that changed since the cookie. A domain controller tells only of a whole naming context.
func (c *Client) dirSyncOnce(k *call, cookie []byte) (ids []string, next []byte, err error) {
	for {
		request := ldap.NewSearchRequest(domainRoot(c.profile.base), ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false,
			"(objectClass=user)", []string{"objectGUID", "isDeleted", "*"}, nil)
		result, err := k.conn.DirSync(request, 0, dirSyncAttributes, cookie)
		if err != nil {
			return nil, nil, err
		}
		control, ok := ldap.FindControl(result.Controls, ldap.ControlTypeDirSync).(*ldap.ControlDirSync)
		if !ok || len(control.Cookie) == 0 {
			return nil, nil, connector.Errorf(connector.Unsupported, "", "the server answers without a cookie: it does not speak DirSync")
		}
		cookie = control.Cookie
		for _, e := range result.Entries {
			if id := c.profile.idOf(e); id != "" && !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
		if control.Flags == 0 {
			return ids, cookie, nil
		}
	}
}

// domainRoot is the end of a DN that names the domain: its naming context.
func domainRoot(dn *ldap.DN) string {
	for i, rdn := range dn.RDNs {
		if strings.EqualFold(rdn.Attributes[0].Type, "dc") {
			return (&ldap.DN{RDNs: dn.RDNs[i:]}).String()
		}
	}
	return dn.String()
}
