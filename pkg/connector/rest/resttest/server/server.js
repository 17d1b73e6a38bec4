// A REST API for tests: json-server, which knows nothing of Joinery, over a store that can be looked into beside it.
// Usage: node server.js TOKEN. Prints its port; ends when stdin closes.
const jsonServer = require('json-server');

const token = process.argv[2];
const empty = () => ({ users: [], memberships: [], tickets: [] });
const router = jsonServer.router(empty());
const app = jsonServer.create();
app.use((req, res, next) => {
  if (req.path === '/inspect') return res.json(router.db.getState());
  if (req.path === '/reset') { router.db.setState(empty()); return res.sendStatus(204); }
  if (req.headers.authorization !== `Bearer ${token}`) return res.status(401).json({ message: 'who are you?' });
  next();
});
app.use(jsonServer.bodyParser);
app.use('/api', router);
const server = app.listen(0, '127.0.0.1', () => console.log(server.address().port));
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
