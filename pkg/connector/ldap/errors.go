package ldap

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"joinery.internal/pkg/connector"
)

// maxDetail bounds what a server says about an error.
const maxDetail = 200

// call is one operation on the target within its time limit: what it is for errors, and whether a change was sent.
type call struct {
	ctx  context.Context
	op   string
	want connector.Object // whose values are hidden in errors
	conn *conn
	sent bool
}

// with runs f with a connection. Each request of it has the time limit.
func (c *Client) with(ctx context.Context, op string, want connector.Object, f func(*call) error) error {
	limited, cancel := connector.WithTimeout(ctx, c.timeout)
	defer cancel()
	k := &call{ctx: limited, op: op, want: want}
	if limited.Err() != nil {
		return connector.ContextError(limited, op, false)
	}
	taken, err := c.pool.take(limited)
	if err != nil {
		return k.fail(fmt.Errorf("connect: %w", err))
	}
	k.conn = taken
	stop := context.AfterFunc(limited, func() { _ = taken.raw.Close() })
	err = f(k)
	if !stop() || err != nil && codeOf(err) == 0 { // closed, or broken
		if _, ours := errors.AsType[*connector.Error](err); !ours || limited.Err() != nil {
			taken.end()
			return k.fail(err)
		}
	}
	c.pool.give(taken)
	return k.fail(err)
}

// search makes a request in its turn.
func (k *call) search(r *ldap.SearchRequest) (*ldap.SearchResult, error) {
	if err := connector.Pace(k.ctx); err != nil {
		return nil, err
	}
	return k.conn.Search(r)
}

// codeOf is the server's result code, 0 if err is not its answer.
func codeOf(err error) uint16 {
	if e, ok := errors.AsType[*ldap.Error](err); ok && e.ResultCode < ldap.ErrorNetwork {
		return e.ResultCode
	}
	return 0
}

// fail gives an error its class.
func (k *call) fail(err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*connector.Error](err); ok {
		return &connector.Error{Class: e.Class, RetryAfter: e.RetryAfter, Op: k.op, Err: e.Err}
	}
	if code := codeOf(err); code != 0 {
		return &connector.Error{Class: classOf(code, k.sent), Op: k.op, Err: k.said(err)}
	}
	if k.ctx.Err() != nil {
		return connector.ContextError(k.ctx, k.op, k.sent)
	}
	if k.sent {
		return &connector.Error{Class: connector.Ambiguous, Op: k.op, Err: fmt.Errorf("sent, and no answer: %w", err)}
	}
	return &connector.Error{Class: connector.Transient, Op: k.op, Err: err}
}

// said is the server's answer without the values it may quote.
func (k *call) said(err error) error {
	e, _ := errors.AsType[*ldap.Error](err)
	text := connector.Redact(e.Err.Error(), k.want)
	if len(text) > maxDetail {
		text = strings.ToValidUTF8(text[:maxDetail], "") + "…"
	}
	name := ldap.LDAPResultCodeMap[e.ResultCode]
	if e.ResultCode == ldap.LDAPResultReferral {
		text = "this server is read-only and points to another; put the writable one into connection.url"
	}
	return &refusal{code: e.ResultCode, text: fmt.Sprintf("%d %s: %q", e.ResultCode, name, strings.TrimRight(text, "\x00\n "))}
}

// refusal is the server's answer, with its code for those who ask.
type refusal struct {
	code uint16
	text string
}

func (r *refusal) Error() string { return r.text }

// classOf maps a result code; see the table in the package comment.
func classOf(code uint16, sent bool) connector.Class {
	switch code {
	case ldap.LDAPResultBusy, ldap.LDAPResultAdminLimitExceeded:
		return connector.Throttled
	case ldap.LDAPResultUnavailable:
		return connector.Transient
	case ldap.LDAPResultOther, ldap.LDAPResultOperationsError, ldap.LDAPResultTimeLimitExceeded:
		if sent {
			return connector.Ambiguous
		}
		return connector.Transient
	case ldap.LDAPResultEntryAlreadyExists, ldap.LDAPResultAttributeOrValueExists, ldap.LDAPResultNoSuchAttribute, ldap.LDAPResultAssertionFailed:
		return connector.Conflict
	case ldap.LDAPResultNoSuchObject:
		return connector.NotFound
	case ldap.LDAPResultInsufficientAccessRights, ldap.LDAPResultInvalidCredentials, ldap.LDAPResultInappropriateAuthentication,
		ldap.LDAPResultStrongAuthRequired, ldap.LDAPResultConfidentialityRequired, ldap.LDAPResultAuthMethodNotSupported:
		return connector.Denied
	case ldap.LDAPResultReferral, ldap.LDAPResultSizeLimitExceeded, ldap.LDAPResultUnavailableCriticalExtension:
		return connector.Unsupported
	default:
		return connector.Invalid
	}
}
