/**
 * One page when awaited, every row of this page and the following ones when iterated:
 *
 *     const page = await client.listFollowers("ann", { batch_size: 20 });
 *     for await (const user of client.listFollowers("ann")) { ... }
 */
export type Paged<Page, Row> = Promise<Page> & AsyncIterable<Row>;

/** Adds iteration to a page. `after` gets the page after one, or null after the last. */
export function paged<Page, Row>(
  first: Promise<Page>,
  rows: (page: Page) => readonly Row[],
  after: (page: Page) => Promise<Page> | null,
): Paged<Page, Row> {
  async function* walk() {
    for (let next: Promise<Page> | null = first; next; ) {
      const page: Page = await next;
      yield* rows(page);
      next = after(page);
    }
  }
  return Object.assign(first, { [Symbol.asyncIterator]: walk });
}
