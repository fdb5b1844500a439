"""Whether a browser drew the text of a page: text that is not drawn fits into every box."""

NOT_DRAWN = """
async function notDrawn(page, selector, png) {
  png ??= (await page.screenshot({ fullPage: true })).toString('base64');
  const texts = await page.evaluate(selector => [...document.querySelectorAll(selector)].flatMap(root => {
    const found = [], nodes = document.createTreeWalker(root, NodeFilter.SHOW_TEXT), range = document.createRange();
    while (nodes.nextNode()) {
      const node = nodes.currentNode;
      if (!node.data.trim() || !node.parentElement.checkVisibility({ opacityProperty: true })) continue;
      range.selectNodeContents(node);
      const { x, y, width, height } = range.getBoundingClientRect();
      found.push({ text: node.data.trim(), x: x + scrollX, y: y + scrollY, width, height });
    }
    return found;
  }), selector);
  if (!texts.length) throw new Error(`no text in ${selector}`);
  return await (await page.context().browser().newPage()).evaluate(async ({ png, texts }) => {
    const image = new Image();
    image.src = 'data:image/png;base64,' + png;
    await image.decode();
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [image.width, image.height];
    const context = canvas.getContext('2d');
    context.drawImage(image, 0, 0);
    return texts.filter(({ x, y, width, height }) => {
      if (width < 1 || height < 1) return true;
      const pixels = new Uint32Array(context.getImageData(x, y, Math.ceil(width), Math.ceil(height)).data.buffer);
      return pixels.every(one => one === pixels[0]);
    }).map(one => one.text);
  }, { png, texts });
}
"""
"""A function for scripts of `in_browser`: texts in what *selector* finds that *png*, or the page as it is, shows as an
area of one colour."""
