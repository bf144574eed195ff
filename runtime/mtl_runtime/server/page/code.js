// A call -> the same call in the languages of programs.

import { visible } from "./elements.js";

const WRITE_CODE = {
  curl: (url, body, key) => [
    `curl ${url} \\`,
    ...(key ? [`  -H "Authorization: Bearer $MTL_API_KEY" \\`] : []),
    `  -H 'Content-Type: application/json' \\`,
    `  -d '${body.replaceAll("'", `'\\''`)}'`,
  ],
  python: (url, body, key) => [
    `import json${key ? ", os" : ""}, urllib.request`, ``,
    `body = ${body}`,
    `headers = {"Content-Type": "application/json"${key ? `, "Authorization": "Bearer " + os.environ["MTL_API_KEY"]` : ""}}`,
    `request = urllib.request.Request("${url}", json.dumps(body).encode(), headers)`,
    `print(json.load(urllib.request.urlopen(request)))`,
  ],
  javascript: (url, body, key) => [
    `const response = await fetch("${url}", {`,
    `  method: "POST",`,
    `  headers: { "Content-Type": "application/json"${key ? `, Authorization: "Bearer " + process.env.MTL_API_KEY` : ""} },`,
    `  body: JSON.stringify(${body}),`,
    `});`,
    `console.log(await response.json());`,
  ],
};

/** JSON in which no character is invisible or turns the order of others; escapes mean the same in all three languages. */
const literal = body => visible(JSON.stringify(body));

/** Code in a language of WRITE_CODE. It names a variable of the environment where a key is needed, never the key. */
export const writeCode = (language, url, body, needsKey) => WRITE_CODE[language](url, literal(body), needsKey).join("\n");
