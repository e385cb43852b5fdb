// What every page does: one player sounds at a time, a player says how long it is once it is near,
// and the links say which section is read.
document.addEventListener("play", event => {
  document.querySelectorAll("audio").forEach(other => other !== event.target && other.pause());
}, true);

const near = new IntersectionObserver(entries => entries.forEach(entry => {
  if (!entry.isIntersecting) return;
  entry.target.preload = "metadata";
  near.unobserve(entry.target);
}), {rootMargin: "400px"});
document.querySelectorAll("audio").forEach(player => near.observe(player));

const links = new Map([...document.querySelectorAll("nav a")].map(link => [link.hash.slice(1), link]));
if (links.size) {
  const seen = new Set();
  const sections = [...document.querySelectorAll("main > section")];
  const reading = new IntersectionObserver(entries => {
    entries.forEach(e => e.isIntersecting ? seen.add(e.target) : seen.delete(e.target));
    const first = sections.find(section => seen.has(section));
    links.forEach((link, id) => {
      if (first && first.id === id) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    });
  }, {rootMargin: "-25% 0px -60% 0px"});
  sections.forEach(section => reading.observe(section));
}
