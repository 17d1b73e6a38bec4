// A REST API for tests: json-server, which knows nothing of Joinery, over stores that can be looked into beside it.
// Usage: node server.js TOKEN. Prints its port; ends when stdin closes. /at/NAME/… is a store of its own.
const jsonServer = require('json-server');

const token = process.argv[2];
const empty = () => ({ users: [], memberships: [], tickets: [] });

// A store notes how its content differs after each request from what it was: whoever asked, and whatever was answered.
const keyed = (rows, key) => new Map(rows.map((row) => [key(row), row]));
const noted = (was, is) => {
  const out = [], note = (account, verb, item) => out.push({ account, verb, item: item || '', at: new Date().toISOString() });
  const before = keyed(was.users, (u) => u.id), after = keyed(is.users, (u) => u.id);
  const held = (m) => `${m.userId} ${m.group}`, login = (id) => (after.get(id) || before.get(id) || {}).login;
  const had = keyed(was.memberships, held), has = keyed(is.memberships, held);
  for (const [id, u] of after) {
    const old = before.get(id);
    if (!old) note(u.login, 'create');
    else if (old.active !== u.active) note(u.login, u.active ? 'enable' : 'disable');
    else if (JSON.stringify(old) !== JSON.stringify(u)) note(u.login, 'update');
  }
  for (const [id, u] of before) if (!after.has(id)) note(u.login, 'delete');
  for (const [key, m] of has) if (!had.has(key)) note(login(m.userId), 'grant', m.group);
  for (const [key, m] of had) if (!has.has(key)) note(login(m.userId), 'revoke', m.group);
  return out;
};

const stores = new Map();
const store = (name) => {
  if (stores.has(name)) return stores.get(name);
  const router = jsonServer.router(empty());
  const now = () => JSON.parse(JSON.stringify(router.db.getState()));
  const s = { router, was: now(), journal: [] };
  s.look = () => { const is = now(); s.journal.push(...noted(s.was, is)); s.was = is; };
  stores.set(name, s);
  return s;
};

const app = jsonServer.create();
app.use((req, res, next) => {
  const named = /^\/at\/([^/]+)(\/.*)$/.exec(req.url);
  if (named) req.url = named[2];
  const s = req.store = store(named ? named[1] : '');
  if (req.path === '/inspect') return res.json({ ...s.was, journal: s.journal });
  if (req.path === '/reset') { s.router.db.setState(empty()); s.look(); s.journal = []; return res.sendStatus(204); }
  if (req.headers.authorization !== `Bearer ${token}`) return res.status(401).json({ message: 'who are you?' });
  res.on('close', s.look);
  next();
});
app.use(jsonServer.bodyParser);
app.use('/api', (req, res, next) => req.store.router(req, res, next));
const server = app.listen(0, '127.0.0.1', () => console.log(server.address().port));
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
