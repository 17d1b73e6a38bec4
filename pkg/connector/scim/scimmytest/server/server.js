// A SCIM 2.0 server made of scimmy and scimmy-routers, which know nothing of Joinery. Ours is only the store, and the
// endpoints /inspect and /reset beside the protocol. Prints its port on stdout; ends when stdin does.
import express from "express";
import SCIMMY from "scimmy";
import SCIMMYRouters from "scimmy-routers";

const token = process.argv[2];
const users = new Map();
const groups = new Map();
let lastId = 0;

const stored = (store, resource) => {
    if (!resource.id) return [...store.values()];
    if (!store.has(resource.id)) throw new SCIMMY.Types.Error(404, null, `Resource ${resource.id} not found`);
    return store.get(resource.id);
};

// keep writes an instance, refusing a second one of the same name.
const keep = (store, name, resource, instance) => {
    const id = resource.id ?? String(++lastId);
    const taken = [...store.values()].some((r) => r.id !== id && r[name].toLowerCase() === instance[name].toLowerCase());
    if (taken) throw new SCIMMY.Types.Error(409, "uniqueness", `${name} is taken`);
    const record = {...JSON.parse(JSON.stringify(instance)), id};
    store.set(id, record);
    return record;
};

SCIMMY.Resources.declare(SCIMMY.Resources.User.extend(SCIMMY.Schemas.EnterpriseUser, false), {
    egress: (resource) => stored(users, resource),
    ingress: (resource, instance) => keep(users, "userName", resource, instance),
    degress: (resource) => {
        stored(users, resource);
        users.delete(resource.id);
        for (const group of groups.values()) {
            group.members = (group.members ?? []).filter((m) => m.value !== resource.id);
        }
    },
});
SCIMMY.Resources.declare(SCIMMY.Resources.Group, {
    egress: (resource) => stored(groups, resource),
    ingress: (resource, instance) => keep(groups, "displayName", resource, instance),
    degress: (resource) => {
        stored(groups, resource);
        groups.delete(resource.id);
    },
});

const app = express();
app.use("/scim", new SCIMMYRouters({
    type: "bearer",
    handler: (request) => {
        if (request.header("Authorization") !== `Bearer ${token}`) throw new Error("wrong token");
        return "tester";
    },
}));
app.get("/inspect", (_, response) => {
    response.json({users: [...users.values()], groups: [...groups.values()]});
});
app.post("/reset", (_, response) => {
    users.clear();
    groups.clear();
    response.status(204).end();
});

const listener = app.listen(0, "127.0.0.1", () => console.log(listener.address().port));
process.stdin.on("end", () => process.exit(0));
process.stdin.resume();
