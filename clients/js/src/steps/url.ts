/** The address with these parameters added, but for those that are undefined. */
export function withQuery(url: string, parameters: Readonly<Record<string, string | undefined>>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined) {
      query.set(name, value);
    }
  }
  const text = query.toString();
  return text === "" ? url : `${url}${url.includes("?") ? "&" : "?"}${text}`;
}

/** Where commands go beside tasks: `…/task` becomes `…/command`. */
export function commandUrlBeside(taskUrl: string): string {
  const [path = "", query] = taskUrl.split("?", 2);
  const command = path.replace(/[^/]*\/?$/, "command");
  return query === undefined ? command : `${command}?${query}`;
}
