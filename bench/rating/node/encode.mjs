// Encode raw pixels with sharp on one thread, one JSON request a line, and tell the CPU it took.
import { createInterface } from 'node:readline';
import { readFileSync, writeFileSync } from 'node:fs';
import sharp from 'sharp';

sharp.concurrency(1);
sharp.cache(false);
console.log(JSON.stringify({ version: sharp.versions.sharp }));
for await (const line of createInterface({ input: process.stdin })) {
  const { input, output, width, height, channels, format, options } = JSON.parse(line);
  const raw = { width, height, channels };
  const pixels = readFileSync(input);
  const before = process.cpuUsage();
  const encoded = await sharp(pixels, { raw }).toFormat(format, options).toBuffer();
  const spent = process.cpuUsage(before);
  writeFileSync(output, encoded);
  console.log(JSON.stringify({ cpuSeconds: (spent.user + spent.system) / 1e6 }));
}
