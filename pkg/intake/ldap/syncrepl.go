package ldap

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-ldap/ldap/v3"
)

// syncrepl asks for what changed since the cookie (RFC 4533, refreshOnly). Without one, or when the server no longer
// takes it, everything is listed.
func syncrepl(ctx context.Context, conn *ldap.Conn, base, filter string, cookie []byte) (changes, error) {
	c, err := refresh(ctx, conn, base, filter, cookie)
	if ldap.IsErrorWithCode(err, ldap.LDAPResultSyncRefreshRequired) && cookie != nil {
		return refresh(ctx, conn, base, filter, nil)
	}
	return c, err
}

// refresh reads one answer to its end. Half an answer is none: who is missing from it may be there.
func refresh(ctx context.Context, conn *ldap.Conn, base, filter string, cookie []byte) (changes, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	request := ldap.NewSearchRequest(base, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false, filter, []string{"*", "modifyTimestamp"}, nil)
	response := conn.Syncrepl(ctx, request, 64, ldap.SyncRequestModeRefreshOnly, cookie, cookie == nil)
	s := refreshing{seen: map[string]bool{}}
	for response.Next() {
		if err := s.take(response.Entry(), response.Controls()); err != nil {
			return changes{}, err
		}
	}
	if err := errors.Join(response.Err(), ctx.Err()); err != nil {
		return changes{}, fmt.Errorf("ask for what changed below %s: %w", base, err)
	}
	if !s.done {
		return changes{}, fmt.Errorf("ask for what changed below %s: the answer ended in the middle", base)
	}
	if cookie == nil || !s.deletes { // an entry that was not named is gone
		s.present = s.seen
	}
	return s.changes, nil
}

// refreshing is an answer as it comes in.
type refreshing struct {
	changes
	seen    map[string]bool // ids named as being there
	deletes bool            // the server names who is gone, rather than who is there
	done    bool
}

func (s *refreshing) take(e *ldap.Entry, controls []ldap.Control) error {
	for _, control := range controls {
		switch c := control.(type) {
		case *ldap.ControlSyncState:
			s.state(e, c)
		case *ldap.ControlSyncInfo:
			s.info(c)
		case *ldap.ControlSyncDone:
			s.done, s.deletes = true, c.RefreshDeletes
			s.keep(c.Cookie)
		}
	}
	if e != nil && len(controls) == 0 {
		return fmt.Errorf("the server sends entries without their state: it does not speak Syncrepl")
	}
	return nil
}

func (s *refreshing) state(e *ldap.Entry, c *ldap.ControlSyncState) {
	id := c.EntryUUID.String()
	s.keep(c.Cookie)
	if c.State == ldap.SyncStateDelete {
		s.gone = append(s.gone, id)
		return
	}
	s.seen[id] = true
	if c.State != ldap.SyncStatePresent && e != nil {
		s.entries = append(s.entries, entry{id: id, at: modified(e), Entry: e})
	}
}

func (s *refreshing) info(c *ldap.ControlSyncInfo) {
	switch {
	case c.NewCookie != nil:
		s.keep(c.NewCookie.Cookie)
	case c.RefreshDelete != nil:
		s.keep(c.RefreshDelete.Cookie)
	case c.RefreshPresent != nil:
		s.keep(c.RefreshPresent.Cookie)
	case c.SyncIdSet != nil:
		s.keep(c.SyncIdSet.Cookie)
		for _, id := range c.SyncIdSet.SyncUUIDs {
			if c.SyncIdSet.RefreshDeletes {
				s.gone = append(s.gone, id.String())
			} else {
				s.seen[id.String()] = true
			}
		}
	}
}

func (s *refreshing) keep(cookie []byte) {
	if len(cookie) > 0 {
		s.cookie = cookie
	}
}
