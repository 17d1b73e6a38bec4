// Package ldaptest runs real directory servers for tests on loopback: OpenLDAP's slapd, and Samba as an Active Directory
// domain controller.
//
// It owns the servers' processes, folders, addresses and certificates, and a cache: a provisioned domain, made once on
// this machine, to copy. A server ends with the test, however the test's process ends. Both have an empty container of
// people and one of groups; Admin looks into them and changes them beside the connector under test. slapd has the
// overlays memberof and syncprov and the service account Service, whose rights end at those containers; it answers at
// most ten entries at once to whoever does not page. Each keeps a journal of what was changed: slapd below Accesslog, Samba
// in its Log. Samba listens at ports 389 and 636 of a loopback address of its own and needs root for that.
//
// Tests never skip: where a server is missing they fail and say what to install. A Server is used by the test's
// goroutine; its fields by any.
//
//	server := ldaptest.StartSlapd(t)  // or ldaptest.StartSamba(t)
//	conn, err := ldap.DialURL(server.TLSURL, ldap.DialWithTLSConfig(server.TLS()))
//	err = conn.Bind(server.Service.DN, server.Service.Password)
package ldaptest
