// Package ldap follows a directory: what changed below a base since the last time, and who is gone.
//
//	a server that knows        is asked by
//	Syncrepl (RFC 4533)        refreshOnly with the cookie: OpenLDAP, 389 Directory Server
//	DirSync (1.2.840.113556.1.4.841)   the whole naming context with the cookie: Active Directory, Samba
//
// Every poll is one change of state: the entries that differ, who is gone (as `absent`), and the cookie go to Kafka in
// one transaction (intake.Ledger), with a mark per entry: its id at the directory, the source_key, a hash of what the map
// made of it. So a poll that is repeated, a server that sends what has not changed, and a cookie that the server no longer
// takes - then everything is listed again - repeat nothing, and miss nobody who went meanwhile.
//
// In the map, `record.mail` is the first value of an attribute, `record.values.memberOf` all of them, `record.dn` the name.
// Values that are no text are left out, but for objectGUID; passwords are never asked for.
//
// It owns the two protocols and those marks. It does not own connections' TLS and binding beyond dialling, nor what
// entries mean (the source's map).
//
//	err := ldap.Run(ctx, source, config.LDAPIntake{URL: "ldaps://dc1.acme.example", Base: "ou=people,dc=acme,dc=example"})
package ldap
