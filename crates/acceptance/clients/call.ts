// A program over the client that openapi-typescript generates. That it compiles says that the types are there.
import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

declare const process: { argv: string[]; exit(code: number): never };

const [, , url, token] = process.argv;
const client = createClient<paths, `application/${string}`>({
  baseUrl: url!,
  headers: { Authorization: `Bearer ${token}` },
});

function assert(holds: unknown, what: string): asserts holds {
  if (!holds) {
    console.error(`not so: ${what}`);
    process.exit(1);
  }
}

const fromSql: components["schemas"]["NewMetric"] = {
  is_editable: true,
  layouts: [{ breakpoint: "lg", x: 0, y: 0, w: 6, h: 8 }],
  query: "SELECT 1 AS one, 'a' AS letter",
  name: "From TypeScript",
  display: { chart: "bar", unit: "€" },
};
const made = await client.POST("/metrics", { body: fromSql });
assert(made.data, "the metric is made");
const id: string = made.data.id;

// @ts-expect-error: a metric is made from something
await client.POST("/metrics", { body: { is_editable: true, layouts: [] } });

const read = await client.GET("/metrics/{id}", {
  params: { path: { id }, query: { day_range: 7 } },
});
assert(read.data, "the metric is answered");
const rows: { [column: string]: unknown }[] = read.data.records;
const owner: string | null = read.data.owner;
const review: "not_needed" | "waiting" | "approved" = read.data.review;
const chart: "auto" | "line" | "area" | "bar" | "pie" | "number" | "table" = read.data.display.chart;
const ignored: string[] = read.data.params.ignored;
assert(rows[0]?.["one"] === 1 && rows[0]["letter"] === "a", "the rows are those of the query");
assert(owner !== undefined && review === "not_needed" && chart === "bar", "the metric is as it was made");
assert(ignored.includes("day_range"), "a parameter without a place is ignored");

// @ts-expect-error: there is no such parameter
const unknown = await client.GET("/metrics/{id}", { params: { path: { id }, query: { start: "2025-06-01" } } });
assert(unknown.error?.errors?.[0]?.type === "unknown", "an unknown parameter is refused");

const etag = read.response.headers.get("ETag");
assert(etag, "the answer has an ETag");
const patch = (name: string) =>
  client.PATCH("/metrics/{id}", {
    params: { path: { id }, header: { "If-Match": etag } },
    body: { name, description: null },
  });
const changed = await patch("Changed");
assert(changed.data?.name === "Changed", "the metric is changed");
const stale = await patch("Changed again");
const kind: components["schemas"]["Problem"]["type"] | undefined = stale.error?.type;
assert(kind === "urn:metricd:problem:metric-modified", "a second change is refused");

const record = await client.POST("/metrics/{id}/metric-records", {
  params: { path: { id } },
  body: { parts_flagged: 1 },
});
assert(record.response.status === 201, "the record is added");

const page = await client.GET("/metrics", { params: { query: { limit: 1 } } });
const cursor: string | null | undefined = page.data?.next_cursor;
assert(page.data?.items.length === 1 && cursor !== undefined, "a page of metrics");

const tried = await client.POST("/metrics/preview", { body: { query: "SELECT 2 AS two" } });
assert(tried.data?.records[0]?.["two"] === 2, "a query is tried");

const removed = await client.DELETE("/metrics/{id}", { params: { path: { id } } });
assert(removed.response.status === 204, "the metric is removed");
console.log("all calls are answered");
