// Stylize a photo with onnxruntime-node and sharp: node stylize.mjs MODEL PHOTO RESULT
import { InferenceSession, Tensor } from "onnxruntime-node";
import sharp from "sharp";

async function stylize(model, photo, result) {
  const session = await InferenceSession.create(model);
  // Turned upright, without transparency, as bytes of red, green and blue.
  const { data, info } = await sharp(photo)
    .rotate()
    .removeAlpha()
    .toColourspace("srgb")
    .raw()
    .toBuffer({ resolveWithObject: true });
  const { width, height } = info;
  const image = new Tensor("uint8", data, [1, height, width, 3]);
  const { stylized } = await session.run({ image });
  await sharp(stylized.data, { raw: { width, height, channels: 3 } }).toFile(result);
}

const files = process.argv.slice(2);
if (files.length !== 3) {
  console.error("usage: node stylize.mjs MODEL PHOTO RESULT");
  process.exit(2);
}
try {
  await stylize(...files);
} catch (error) {
  console.error(`stylize: ${error.message}`);
  process.exit(1);
}
