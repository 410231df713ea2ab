"use strict";
const asked = document.getElementById("filter");
const told = document.getElementById("found");
const articles = [...document.querySelectorAll("main article")];
const links = new Map([...document.querySelectorAll(".side li")].map((item) => [item.dataset.of, item]));
const texts = new Map(articles.map((article) => [article, article.textContent.toLowerCase()]));
const contents = document.getElementById("contents");
if (window.matchMedia("(max-width: 50rem)").matches) contents.open = false;

function filter() {
  const words = asked.value.toLowerCase().split(/\s+/).filter(Boolean);
  let found = 0;
  for (const article of articles) {
    const fits = words.every((word) => texts.get(article).includes(word));
    article.hidden = !fits;
    links.get(article.id).hidden = !fits;
    found += fits ? 1 : 0;
  }
  for (const heading of document.querySelectorAll("main > h2, .side h2")) {
    const group = heading.dataset.group;
    heading.hidden = !articles.some((article) => article.dataset.group === group && !article.hidden);
  }
  told.textContent = words.length === 0 ? "" : `${found} of ${articles.length}`;
}

asked.addEventListener("input", filter);
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && document.activeElement !== asked) {
    event.preventDefault();
    asked.focus();
  } else if (event.key === "Escape" && document.activeElement === asked) {
    asked.value = "";
    filter();
  }
});
// A link to what the filter hides leads there all the same.
window.addEventListener("hashchange", () => {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target?.hidden) {
    asked.value = "";
    filter();
    target.scrollIntoView();
  }
});
filter();
