/** A value of a result as a person reads it; empty where there is none. */
export function asText(value: unknown): string {
  if (value === undefined || value === null) {
    return "";
  }
  return typeof value === "string" ? value : JSON.stringify(value, undefined, 2);
}
