// The handler of three durable steps, for restate_peer.py: node restate_handler.mjs PORT
// Run it where @restatedev/restate-sdk is installed.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

// The SDK uses what Node has from version 22 on.
Promise.withResolvers ??= function () {
  let resolve, reject;
  const promise = new this((yes, no) => ([resolve, reject] = [yes, no]));
  return { promise, resolve, reject };
};

const installed = createRequire(`${process.cwd()}/package.json`);
const restate = await import(pathToFileURL(installed.resolve("@restatedev/restate-sdk")));

const work = (restate.service ?? restate.default.service)({
  name: "steps",
  handlers: {
    run: async (ctx, number) => {
      let last = "";
      for (let one = 0; one < 3; one++) last = await ctx.run(`step ${one}`, () => `result ${one}`);
      return last;
    },
  },
});

const serve = restate.serve ?? restate.default.serve;
await serve({ services: [work], port: Number(process.argv[2]) });
