package ldap

import (
	"context"
	"fmt"

	"github.com/go-ldap/ldap/v3"
)

const dirSyncAttributes = 1 << 20 // bytes of attributes in one answer; the server may send fewer

// dirsync asks for what changed since the cookie in the whole naming context, which is all a domain controller allows,
// and keeps what is below base. An answer holds changed attributes only, so what changed is read again.
func dirsync(ctx context.Context, conn *ldap.Conn, root, base, filter string, cookie []byte) (changes, error) {
	under, err := ldap.ParseDN(base)
	if err != nil {
		return changes{}, fmt.Errorf("base %s: %w", base, err)
	}
	c, touched := changes{cookie: cookie}, map[string]bool{}
	if cookie == nil {
		c.present = map[string]bool{}
	}
	for more := true; more; {
		if err := ctx.Err(); err != nil {
			return changes{}, err
		}
		request := ldap.NewSearchRequest(root, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false, filter, []string{"objectGUID", "isDeleted", "*"}, nil)
		result, err := conn.DirSync(request, 0, dirSyncAttributes, c.cookie)
		if err != nil {
			return changes{}, fmt.Errorf("ask for what changed in %s: %w", root, err)
		}
		control, ok := ldap.FindControl(result.Controls, ldap.ControlTypeDirSync).(*ldap.ControlDirSync)
		if !ok || len(control.Cookie) == 0 {
			return changes{}, fmt.Errorf("ask for what changed in %s: the server answers without a cookie: it does not speak DirSync", root)
		}
		more, c.cookie = control.Flags != 0, control.Cookie
		for _, e := range result.Entries {
			if id, ok := guid(e.GetRawAttributeValue("objectGUID")); ok && !touched[id] {
				touched[id] = true
				if err := c.look(conn, under, filter, id); err != nil {
					return changes{}, err
				}
			}
		}
	}
	return c, nil
}

// look reads an entry as it is now. One that is deleted, moved out of the base, or no longer matches is gone.
func (c *changes) look(conn *ldap.Conn, base *ldap.DN, filter, id string) error {
	request := ldap.NewSearchRequest("<GUID="+id+">", ldap.ScopeBaseObject, ldap.NeverDerefAliases, 0, 0, false, filter, []string{"*", "whenChanged"}, nil)
	result, err := conn.Search(request)
	switch {
	case ldap.IsErrorWithCode(err, ldap.LDAPResultNoSuchObject):
	case err != nil:
		return fmt.Errorf("read entry %s: %w", id, err)
	case len(result.Entries) == 1 && below(base, result.Entries[0].DN):
		e := result.Entries[0]
		c.entries = append(c.entries, entry{id: id, at: modified(e), Entry: e})
		if c.present != nil {
			c.present[id] = true
		}
		return nil
	}
	c.gone = append(c.gone, id)
	return nil
}
