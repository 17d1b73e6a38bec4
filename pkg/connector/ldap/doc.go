// Package ldap is the connector for directories: LDAP servers of any make (connector ldap), and Active Directory
// (connector ad).
//
// It owns the protocol: connections, filters and DNs, modify and modrdn, paging (RFC 2696), assertions (RFC 4528), groups,
// and what differs between makes of directory (profile). It keeps idle connections, the cursors of listings under way, and
// what the root DSE said; all of it can be lost at any time. An object's remote id is entryUUID or objectGUID, so that it
// is found again wherever it was moved and however it was renamed.
//
//	c, err := ldap.Open(connector.Settings{Name: "directory", Connector: "ldap", Entitlements: []string{"group"},
//		Connection: map[string]string{"url": "ldaps://ldap.acme.example", "user": dn, "password": pw,
//			"base": "ou=people,dc=acme,dc=example", "groupBase": "ou=groups,dc=acme,dc=example"}})
//
// Attributes are attributes of the directory. A value of several lines is an attribute of several values. The name `parent`
// is the container an account is in, relative to base (`ou=finance`; policy writes `"ou=" + rdn(person.department)`): when it changes the account is moved. Plain LDAP
// gets cn and sn from the account's name where the target file maps none.
//
//	connection key       default ldap / ad
//	url                                       ldap:// or ldaps://host:port
//	startTLS             false                upgrades ldap:// before anything is said
//	ca                   the system's         file of the authority's certificates (PEM)
//	user, password                            DN to bind as; unencrypted only to loopback
//	base                                      accounts are below it
//	groupBase            base                 groups are below it
//	account              uid / sAMAccountName the attribute of the account's name
//	externalId           employeeNumber       the attribute of the identity; "none": not kept
//	objectClass          inetOrgPerson / user of new accounts, several with blanks between
//	filter               by object class      which entries below base are accounts
//	disable              pwdAccountLockedTime=000001010000Z (ldap)   disabled is who has this value of this attribute
//	member               member               or uniqueMember, or memberUid (holds the account's name)
//	memberOf             false / true         entries tell their groups: one search less per account
//	upnSuffix            from base (ad)       userPrincipalName is account@suffix
//	recipient, handover                       public key of age and absolute folder: initial passwords are sealed and put there
//
// Disabling. LDAP has no notion of it, each make has its own; the default is the permanent lock of OpenLDAP's ppolicy
// overlay, which refuses binds; `nsAccountLock=TRUE` is that of 389 Directory Server; any attribute that the applications
// look at will do. In AD it is bit 2 of userAccountControl, changed only if it is as it was read. An account that is to go
// to another container when disabled is told so by `parent`.
//
// Passwords. A new account gets a random one if AD needs it, or if recipient and handover say to whom it is given (package
// handover); nobody else ever sees it. Without them an AD account has a password that nobody knows.
//
// Groups are found by cn and are never created: who governs them creates them. groupOfNames must have a member: the last
// one's place is taken by the empty DN, which is nobody. A server that does not keep references whole (AD does, OpenLDAP
// with the overlay refint does) gets its groups cleaned when an account is renamed, moved or deleted.
//
// Result codes:
//
//	busy, adminLimitExceeded                                     throttled
//	unavailable; no connection                                   transient
//	other, operationsError, timeLimitExceeded; no answer         transient of a read, ambiguous of a change
//	entryAlreadyExists, attributeOrValueExists, noSuchAttribute, assertionFailed   conflict
//	noSuchObject                                                 not found
//	insufficientAccessRights, invalidCredentials, …              denied
//	referral, sizeLimitExceeded, unavailableCriticalExtension    unsupported
//	all others                                                   invalid
package ldap
