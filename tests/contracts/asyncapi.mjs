// Parses the AsyncAPI file that is named, with the files that it refers to, by AsyncAPI's own parser. Prints it with every
// reference replaced; fails with each finding of the parser.
import { readFileSync } from 'node:fs';
import { AvroSchemaParser } from '@asyncapi/avro-schema-parser';
import { Parser } from '@asyncapi/parser';

const [source] = process.argv.slice(1);
const parser = new Parser({ schemaParsers: [AvroSchemaParser()] });
const { document, diagnostics } = await parser.parse(readFileSync(source, 'utf8'), { source });
const [ERROR, WARNING] = [0, 1];
for (const { code, message, path, severity } of diagnostics) {
  if (severity === ERROR || severity === WARNING) {
    console.error(`${code} at ${path.join('.')}: ${message}`);
    process.exitCode = 1;
  }
}
if (document) console.log(JSON.stringify(document.json()));
