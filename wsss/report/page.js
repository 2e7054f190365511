"use strict";

// What the page shows: classes (name, colour), layers (their names in order), judged (scores of label maps), images.
const data = JSON.parse(document.getElementById("data").textContent);
const VOID = 255;
const byId = (id) => document.getElementById(id);
const state = { hidden: new Set(), confusion: null, current: null };

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key in made && key !== "list") made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

function fill(select, options) {
  select.replaceChildren(...options.map(([value, text]) => element("option", { value, textContent: text })));
}

const hex = ([red, green, blue]) => `rgb(${red}, ${green}, ${blue})`;
const percent = (share) => (100 * share).toFixed(1);
const place = (image) => `${image.split}/${image.id}`;
const fragment = (image) => "#" + place(image).split("/").map(encodeURIComponent).join("/");

// ---- tables that sort

function sortable(table) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    head.querySelector("button").addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") === "descending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const value = (row) => row.cells[column].textContent.trim();
      const compare = (a, b) => {
        const [x, y] = [parseFloat(a), parseFloat(b)];
        if (isNaN(x) || isNaN(y)) return isNaN(x) && isNaN(y) ? a.localeCompare(b) : isNaN(x) ? -1 : 1;
        return x - y;
      };
      const rows = [...table.tBodies[0].rows].sort((a, b) => (up ? 1 : -1) * compare(value(a), value(b)));
      table.tBodies[0].append(...rows);
    });
  });
}

// ---- confusions

const mapName = (judged) => `${judged.name}, ${judged.split}`;

function showMatrix() {
  const judged = data.judged[byId("matrix-map").value];
  const named = data.classes.map((each) => each.name);
  const head = element("tr", {}, element("th", { className: "axis", scope: "col", textContent: "true \\ predicted" }));
  head.append(...named.map((name) => element("th", { scope: "col", textContent: name })));
  const lines = judged.confusion.map((counts, row) => {
    const total = counts.reduce((a, b) => a + b, 0);
    const line = element("tr", {}, element("th", { scope: "row", textContent: named[row] }));
    named.forEach((name, column) => {
      const share = total ? counts[column] / total : 0;
      const cell = element("td");
      if (counts[column]) {
        const text = percent(share);
        const what = `${named[row]} predicted as ${name}: ${text} %`;
        const button = element("button", { type: "button", textContent: text, title: what, "aria-label": what });
        button.addEventListener("click", () => confuse(judged, row, column));
        cell.append(button);
        const tint = row === column ? "26, 127, 55" : "207, 34, 46";
        cell.style.background = `rgba(${tint}, ${(0.45 * Math.sqrt(share)).toFixed(3)})`;
      }
      line.append(cell);
    });
    return line;
  });
  byId("matrix").replaceChildren(element("thead", {}, head), element("tbody", {}, ...lines));
}

function confuse(judged, row, column) {
  state.confusion = row === column ? null : { row, column };
  byId("split").value = judged.split;
  offer();
  byId("map").value = String(data.judged.indexOf(judged));
  byId("class").value = row === column ? String(row) : "";
  show();
  byId("gallery").scrollIntoView();
}

// ---- which images are shown

function offerMaps() {
  const select = byId("map");
  if (!select) return;
  const split = byId("split").value;
  const offered = data.judged.map((judged, number) => [String(number), judged]).filter(([, j]) => !split || j.split === split);
  const before = select.value;
  fill(select, offered.map(([number, judged]) => [number, mapName(judged)]));
  if (offered.some(([number]) => number === before)) select.value = before;
}

function offerLayers() {
  const split = byId("split").value;
  const there = new Set(data.images.filter((image) => !split || image.split === split).flatMap((image) => image.layers.map((layer) => layer.name)));
  const before = byId("layer").value || data.start.layer;
  fill(byId("layer"), data.layers.filter((name) => there.has(name)).map((name) => [name, name]));
  if (there.has(before)) byId("layer").value = before;
}

const offer = () => { offerMaps(); offerLayers(); };

function scoreOf(image) {
  const select = byId("map");
  const judged = select && select.value !== "" ? data.judged[select.value] : null;
  if (judged && judged.split === image.split && image.id in judged.images) return judged.images[image.id];
  return null;
}

const value = (image) => {
  const found = scoreOf(image);
  return found ? found[0] : image.confidence;
};

function chosen() {
  const [split, label, order] = [byId("split").value, byId("class").value, byId("order").value];
  const shown = data.images.filter((image) => {
    if (split && image.split !== split) return false;
    if (label && !image.classes.includes(Number(label))) return false;
    if (!state.confusion) return true;
    const found = scoreOf(image);
    return found && found[1].some(([row, column]) => row === state.confusion.row && column === state.confusion.column);
  });
  const known = (image) => (value(image) === undefined ? Infinity : value(image));
  if (order === "worst") shown.sort((a, b) => known(a) - known(b));
  if (order === "best") shown.sort((a, b) => (known(b) === Infinity ? -1 : known(b)) - (known(a) === Infinity ? -1 : known(a)));
  return shown;
}

// ---- drawing

const pixels = new Map(); // decoded pictures of the images near the window, by image and layer

async function decoded(uri, width, height, smooth, covers) {
  const picture = new Image();
  picture.src = uri;
  await picture.decode();
  const canvas = element("canvas", { width, height });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingEnabled = smooth;
  context.drawImage(picture, 0, 0, width * covers[0], height * covers[1]);
  return context.getImageData(0, 0, width, height).data;
}

async function draw(canvas, image, layer) {
  const [width, height] = image.size;
  const key = place(image);
  if (!pixels.has(key)) pixels.set(key, new Map());
  const cache = pixels.get(key);
  const from = (name, uri, smooth = false, covers = [1, 1]) => {
    if (!cache.has(name)) cache.set(name, decoded(uri, width, height, smooth, covers));
    return cache.get(name);
  };
  const photograph = await from("photograph", image.photograph);
  const mixed = new ImageData(width, height);
  const out = mixed.data;
  out.set(photograph);
  const opacity = byId("opacity").value / 100;
  if (layer && layer.labels) {
    const indices = await from(layer.name, layer.labels);
    const background = byId("view").value === "overlay" ? opacity / 3 : opacity; // so that the photograph stays visible
    for (let at = 0; at < out.length; at += 4) {
      const index = indices[at];
      if (state.hidden.has(index)) continue;
      const colour = index === VOID ? data.void_colour : data.classes[index].colour;
      const share = index === 0 ? background : opacity;
      for (let band = 0; band < 3; band++) out[at + band] += share * (colour[band] - out[at + band]);
    }
  } else if (layer) {
    const maps = layer.maps.filter(([of]) => of === null || !state.hidden.has(of));
    const values = await Promise.all(maps.map(([of, uri]) => from(`${layer.name} ${of}`, uri, true, layer.covers)));
    for (let at = 0; at < out.length; at += 4) {
      let most = 0;
      for (const each of values) most = Math.max(most, each[at]);
      const grey = (out[at] + out[at + 1] + out[at + 2]) / 3;
      const weight = opacity * (0.3 + (0.7 * most) / 255);
      for (let band = 0; band < 3; band++) out[at + band] = grey + weight * (data.heat[most][band] - grey);
    }
  }
  canvas.getContext("2d").putImageData(mixed, 0, 0);
}

function panel(image, name, layer) {
  const [width, height] = image.size;
  const canvas = element("canvas", { width, height, role: "img", "aria-label": `${name} of ${image.id}` });
  const figure = element("figure", { className: "panel" }, canvas, element("span", { textContent: name }));
  figure.paint = () => draw(canvas, image, layer);
  return figure;
}

function paint(article) {
  if (!article.image) return;
  const { image } = article;
  const panels = article.querySelector(".panels");
  if (!panels.childElementCount) {
    const one = byId("view").value === "overlay";
    const wanted = byId("layer").value;
    const shown = one ? image.layers.filter((layer) => layer.name === wanted) : image.layers;
    if (!one || !shown.length) panels.append(panel(image, "photograph", null));
    panels.append(...shown.map((layer) => panel(image, layer.name, layer)));
  }
  for (const figure of panels.children) figure.paint();
}

const near = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) {
      target.near = isIntersecting;
      if (isIntersecting) paint(target);
      else pixels.delete(place(target.image));
    }
  },
  { rootMargin: "600px" },
);

function repaint() {
  for (const article of byId("images").children) if (article.near) paint(article);
}

function title(image) {
  const found = value(image);
  const tags = image.tags.map((tag) => data.classes[tag].name).join(", ");
  const score = found === undefined ? "" : `${scoreOf(image) ? "mIoU" : "confidence"} ${percent(found)}`;
  const link = element("a", { href: fragment(image), textContent: place(image) });
  const rest = [tags, score].filter(Boolean).join(" · ");
  return element("h3", {}, link, rest ? ` · ${rest}` : "");
}

function show() {
  near.disconnect();
  const images = chosen();
  const articles = images.map((image) => {
    const room = element("div", { className: "panels" });
    const article = element("article", { id: place(image) }, title(image), room);
    article.image = image;
    // as tall as it will be, so that scrolling to an image ends where it is
    article.style.minHeight = "9rem";
    if (state.current === image) article.classList.add("current");
    return article;
  });
  byId("images").className = byId("view").value;
  byId("images").replaceChildren(...articles);
  articles.forEach((article) => near.observe(article));
  byId("count").textContent = `${images.length} of ${data.images.length} images`;
  const chip = byId("confused");
  chip.hidden = !state.confusion;
  if (state.confusion) {
    const { row, column } = state.confusion;
    chip.textContent = `${data.classes[row].name} predicted as ${data.classes[column].name} ✕`;
    chip.setAttribute("aria-label", `Show all again: no longer only ${chip.textContent.slice(0, -2)}`);
  }
}

function legend() {
  const entries = [...data.classes.map((each, index) => [index, each.name, each.colour]), [VOID, "void", data.void_colour]];
  byId("legend").replaceChildren(
    ...entries.map(([index, name, colour]) => {
      const swatch = element("i", { "aria-hidden": "true" });
      swatch.style.background = hex(colour);
      const button = element("button", { type: "button", "aria-pressed": "true" }, swatch, name);
      button.addEventListener("click", () => {
        const hidden = state.hidden.delete(index) ? false : Boolean(state.hidden.add(index));
        button.setAttribute("aria-pressed", String(!hidden));
        repaint();
      });
      return button;
    }),
  );
}

// ---- from image to image

function go(image) {
  state.current = image;
  let article = byId(place(image));
  if (!article) {
    state.confusion = null;
    byId("split").value = byId("class").value = "";
    offer();
    show();
    article = byId(place(image));
  }
  for (const other of byId("images").children) other.classList.toggle("current", other === article);
  article.scrollIntoView({ block: "nearest" });
  article.querySelector("a").focus({ preventScroll: true });
}

function step(by) {
  const images = [...byId("images").children].map((article) => article.image);
  if (!images.length) return;
  const at = images.indexOf(state.current);
  const next = images[at < 0 ? 0 : Math.min(images.length - 1, Math.max(0, at + by))];
  history.replaceState(null, "", fragment(next));
  go(next);
}

function follow() {
  const wanted = location.hash.slice(1).split("/").map((part) => { try { return decodeURIComponent(part); } catch { return part; } }).join("/");
  const image = data.images.find((each) => place(each) === wanted);
  if (image) go(image);
}

function onlyLayer(number) {
  byId("view").value = number ? "overlay" : "rows";
  if (number) byId("layer").selectedIndex = number - 1;
  show();
  if (state.current && byId(place(state.current))) go(state.current);
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
  if (event.target.closest && event.target.closest(".scroll")) return;
  if (event.key === "ArrowRight" || event.key === "ArrowLeft") {
    event.preventDefault();
    step(event.key === "ArrowRight" ? 1 : -1);
  } else if (/^[0-9]$/.test(event.key) && Number(event.key) <= byId("layer").length) onlyLayer(Number(event.key));
});

// ---- start

function start() {
  document.querySelectorAll("table.sortable").forEach(sortable);
  const splits = [...new Set(data.images.map((image) => image.split))];
  const scored = data.judged.length > 0;
  const ordered = scored || data.images.some((image) => image.confidence !== undefined);
  fill(byId("split"), [["", "all"], ...splits.map((split) => [split, split])]);
  fill(byId("class"), [["", "all"], ...data.classes.map((each, index) => [String(index), each.name]).slice(1)]);
  fill(byId("order"), [
    ...(ordered ? [["worst", scored ? "lowest mIoU first" : "least confident first"], ["best", scored ? "highest mIoU first" : "most confident first"]] : []),
    ["list", "as listed"],
  ]);
  if (splits.includes(data.start.split)) byId("split").value = data.start.split;
  offer();
  if (scored) {
    fill(byId("matrix-map"), data.judged.map((judged, number) => [String(number), mapName(judged)]));
    const first = data.judged.findIndex((judged) => judged.split === data.start.split && judged.name === data.start.layer);
    byId("matrix-map").value = byId("map").value = String(Math.max(0, first));
    byId("matrix-map").addEventListener("change", showMatrix);
    byId("map").addEventListener("change", show);
    showMatrix();
  }
  legend();
  for (const id of ["class", "order", "view"]) byId(id).addEventListener("change", show);
  byId("split").addEventListener("change", () => { state.confusion = null; offer(); show(); });
  byId("layer").addEventListener("change", () => { byId("view").value = "overlay"; show(); });
  byId("opacity").addEventListener("input", repaint);
  byId("confused").addEventListener("click", () => { state.confusion = null; show(); });
  const copy = byId("copy");
  if (copy) {
    copy.addEventListener("click", () => {
      getSelection().selectAllChildren(byId("command"));
      document.execCommand("copy"); // navigator.clipboard is not there for a file
      copy.textContent = "Copied";
    });
  }
  show();
  follow();
  window.addEventListener("hashchange", follow);
}

start();
