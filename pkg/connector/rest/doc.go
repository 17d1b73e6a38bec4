// Package rest is the connector for applications with a JSON API of their own: the target file says in CEL how to ask
// and what the answers mean. The same for people who are asked by the tickets of an ITSM (Tickets, connector ticket).
//
// It owns the running of those calls: expressions are compiled when it is opened, values are escaped where they go into a
// path or a query, each change first reads the account. It knows no API of its own. It keeps an OAuth2 token, and nothing
// else, between calls.
//
//	connection key               means
//	url                          calls are below it
//	token, header                sent as that header; without header as Authorization: Bearer
//	username, password           basic authentication
//	tokenURL, clientId, clientSecret, scope   OAuth2 client credentials: a token is got, kept and got anew
//
// Variables, each there where it makes sense and empty elsewhere:
//
//	account, external_id, id     whose account; id is the API's own
//	enabled, attributes          what it is to be; an attribute without a value is null. All of them, changed or not
//	name                         of the entitlement
//	key                          idempotency key, also sent as Idempotency-Key with every change
//	limit, cursor, page          of a list: accounts wanted, what `next` gave, the page's number from 1
//	response, headers, items     an answer, its headers in lower case, and what `items` gave
//	title, text, payload         of a ticket to be opened; payload must come back in item
//	item                         one account or name; a field that is missing is null
//
// A path has variables in braces: users/{id}. Two calls find an account: get by id, and find, once by external_id and
// once by account. Where paging is link, the list goes on at the Link header's rel="next", at the same server only; where it
// is cursor, with what `next` gives; where it is page, until a page is empty. What a list returns while it changes is
// the API's to say: page numbers shift, so a sweep of such a target can miss an account and find it in the next.
//
// 404 says that there is no such account where the path has a variable in it (users/{id}). Of all accounts (users) it says
// that the API is not there, unless rest.statuses has 404: {is: not_found}. Credentials go over https, or to this machine.
//
//	rest:
//	  account: {id: item.id, account: item.login, external_id: item.externalId, enabled: item.active, attributes: {title: item.title}}
//	  calls:
//	    get:    {path: "users/{id}"}
//	    find:   {path: users, query: {login: account, externalId: external_id}}   # an empty value is left out
//	    create: {path: users, body: '{"login": account, "externalId": external_id, "active": enabled, "title": attributes.title}'}
//	    ...
package rest
