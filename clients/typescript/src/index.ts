export { CareersUsers } from "./client.js";
export type { CallOptions, ClientOptions } from "./connection.js";
export { CareersUsersError } from "./error.js";
export type { Code } from "./error.js";
export type { Paged } from "./paged.js";
export { memoryStore, storageStore } from "./store.js";
export type { StringStorage, TokenStore } from "./store.js";
export type * from "./schema.js";
