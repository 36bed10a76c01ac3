// One job by sharp, as its documentation advises for many images: a pipeline an image, as many in
// flight as libuv's pool has threads, one a core, each pipeline on one thread (its default on
// glibc), operation cache off. 24 photographs on two cores took 3.54 s of CPU so, 3.58 with two
// threads a pipeline, 3.48 with a pool of four: no setting is better than noise.
// Run as `node sharp.mjs ORDER.json`, with UV_THREADPOOL_SIZE set. Prints its versions when there is
// no order.
import { readFileSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, extname, join } from "node:path";

// by the peers' folder, so that this file may lie elsewhere
const sharp = createRequire(join(process.env.PIXMILL_PEERS, "package.json"))("sharp");

function pipeline(file, task) {
  let image = sharp(file).autoOrient();
  if (task.edge_px) {
    const box = { width: task.edge_px, height: task.edge_px };
    image = image.resize({ ...box, fit: "inside", withoutEnlargement: true });
  }
  return image;
}

function encoded(image, suffix, quality) {
  if (suffix === ".png") return image.png({ compressionLevel: 9, adaptiveFiltering: true });
  if (suffix === ".webp") return image.webp({ quality });
  if (suffix === ".avif") return image.avif({ quality });
  return image.jpeg({ quality });
}

// the best quality that fits, by bisection over pixels that are decoded and resized once
async function fitting(file, task, suffix) {
  const { data, info } = await pipeline(file, task).raw().toBuffer({ resolveWithObject: true });
  const raw = { width: info.width, height: info.height, channels: info.channels };
  let [low, high, best] = [1, 100, null];
  while (low <= high) {
    const quality = (low + high) >> 1;
    const content = await encoded(sharp(data, { raw }), suffix, quality).toBuffer();
    if (content.length <= task.max_bytes) [low, best] = [quality + 1, content];
    else high = quality - 1;
  }
  if (best === null) throw new Error(`no quality of ${file} fits ${task.max_bytes} bytes`);
  return best;
}

// every width of a file: a pipeline each that opens it anew, or clones of one that holds its bytes
async function manyMade(file, order, suffix) {
  const { task, destination, is_cloned } = order;
  const stem = basename(file, extname(file));
  const held = is_cloned ? sharp(await readFile(file)).autoOrient() : null;
  const one = (width) => {
    const image = held ? held.clone() : sharp(file).autoOrient();
    const result = join(destination, `${stem}-${width}${suffix}`);
    const sized = image.resize({ width, withoutEnlargement: true });
    return encoded(sized, suffix, task.quality).toFile(result);
  };
  return Promise.all(task.widths.map(one));
}

async function made(file, order) {
  const { task, destination } = order;
  const suffix = task.suffix || extname(file);
  const result = join(destination, basename(file, extname(file)) + suffix);
  if (task.widths.length) return manyMade(file, order, suffix);
  if (task.max_bytes) return writeFile(result, await fitting(file, task, suffix));
  return encoded(pipeline(file, task), suffix, task.quality).toFile(result);
}

async function main(path) {
  const { sharp: own, vips } = sharp.versions;
  if (path === undefined) return console.log(`${own}, libvips ${vips}`);
  const order = JSON.parse(readFileSync(path, "utf8"));
  sharp.cache(false);
  sharp.concurrency(1);
  const waiting = order.files.values();
  const lane = async () => {
    for (const file of waiting) await made(file, order);
  };
  await Promise.all(Array.from({ length: order.processes }, lane));
}

await main(process.argv[2]);
