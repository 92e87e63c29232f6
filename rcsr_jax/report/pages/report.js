"use strict";
// The report without this script shows every last shape; the script moves and sorts.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const known = (point) => point[0] !== null && point[1] !== null;
  const pair = (point) => `${point[0]} ${point[1]}`;

  const dots = (points) =>
    points.filter(known).map((point) => `M${pair(point)}h.01`).join("");
  const lines = (points) =>
    data.outlines.map((outline) =>
      outline.slice(1).map((end, n) => [points[outline[n]], points[end]])
        .filter(([start, end]) => known(start) && known(end))
        .map(([start, end]) => `M${pair(start)}L${pair(end)}`).join("")
    ).join("");
  const misses = (points, truth) =>
    points.map((point, n) => [point, truth[n]])
      .filter(([point, goal]) => known(point) && known(goal))
      .map(([point, goal]) => `M${pair(point)}L${pair(goal)}`).join("");
  const ellipses = (points, shapes) =>
    points.map((point, n) => [point, shapes[n]])
      .filter(([point, [along, across]]) => known(point) && along > 0 && across > 0)
      .map(([[x, y], [along, across, degrees]]) => {
        const angle = degrees * Math.PI / 180;
        const dx = along * Math.cos(angle), dy = along * Math.sin(angle);
        const half = `a${along} ${across} ${degrees} 1 0`;
        return `M${x - dx} ${y - dy}${half} ${2 * dx} ${2 * dy}${half} ${-2 * dx} ${-2 * dy}z`;
      }).join("");
  const percent = (value) => value === null || value === undefined ? "—" : `${value.toFixed(2)} %`;

  function sortable(table) {
    const body = table.tBodies[0];
    const value = (row, column) => {
      const cell = row.cells[column], text = cell.dataset.value ?? cell.textContent.trim();
      const number = text === "∞" ? Infinity : Number(text);
      return text === "" || text === "—" ? null : Number.isNaN(number) ? text : number;
    };
    const compare = (a, b) =>
      typeof a === "number" && typeof b === "number" ? a - b
        : String(a).localeCompare(String(b), undefined, { numeric: true });
    all("thead th", table).forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const up = head.getAttribute("aria-sort") !== "ascending";
        all("thead th", table).forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        const rows = [...body.rows].map((row) => [value(row, column), row]);
        // what is not known stays at the end either way
        rows.sort(([a], [b]) => a === null || b === null ? (a === null) - (b === null)
          : up ? compare(a, b) : compare(b, a));
        body.append(...rows.map(([, row]) => row));
      });
    });
  }

  function filterable(input) {
    const table = document.getElementById(input.getAttribute("aria-controls"));
    const told = document.getElementById(input.dataset.told);
    input.addEventListener("input", () => {
      const wanted = input.value.toLowerCase();
      let shown = 0;
      for (const row of table.tBodies[0].rows) {
        row.hidden = !row.cells[0].textContent.toLowerCase().includes(wanted);
        shown += !row.hidden;
      }
      told.textContent = `${shown} shown`;
    });
  }

  function heatMap(root) {
    const slider = root.querySelector("input"), told = root.querySelector("output");
    const marks = all("circle", root), cells = all("[data-landmark]", root);
    const show = () => {
      const state = data.heat[slider.value];
      told.textContent = state.name;
      slider.setAttribute("aria-valuetext", state.name);
      marks.forEach((mark, n) => {
        const heat = state.heats[n];
        if (heat === null) mark.removeAttribute("class");
        else mark.setAttribute("class", `heat${heat}`);
        mark.firstElementChild.textContent = `${mark.dataset.name}: ${percent(state.errors[n])}`;
      });
      cells.forEach((cell) => {
        const error = state.errors[cell.dataset.landmark];
        cell.textContent = error === null ? "—" : error.toFixed(2);
      });
    };
    slider.addEventListener("input", show);
    slider.closest(".control").hidden = false;
  }

  // Draws one face at a step into the paths below `root`; answers its error.
  function draw(root, face, step) {
    const last = face.shapes.length - 1, at = Math.min(step, last);
    const points = face.shapes[at];
    const put = (selector, path) => {
      all(selector, root).forEach((element) => element.setAttribute("d", path));
    };
    put(".found.dots", dots(points));
    put(".found.lines", lines(points));
    put(".missed", misses(points, face.truth));
    // what is expected is the error of the last shape
    put(".expected", at === last ? ellipses(points, face.expected) : "");
    return face.errors[at];
  }

  function gallery(root) {
    const cards = all(".face", root), list = root.querySelector(".gallery");
    const sliders = all("input[type=range]", root), told = all("output", root);
    const play = root.querySelector(".play"), dialog = root.querySelector("dialog");
    const last = Number(sliders[0].max);
    let group = "all", opened = null, timer = null;
    const faceOf = (card) => data.faces[card.dataset.face];
    const visible = () => [...list.children].filter((card) => !card.hidden);
    const stepName = (step) =>
      step === 0 ? "first shape" : step === last ? `step ${step}, the last` : `step ${step}`;

    function showOpened(step) {
      if (!opened) return;
      const face = faceOf(opened), error = draw(dialog, face, step);
      dialog.querySelector(".about").textContent =
        `${percent(error)} inter-ocular, ${face.shapes.length - 1} steps` +
        (face.score === null ? "" : `, score ${face.score.toFixed(2)}`);
    }

    function show(step) {
      const errors = [];
      for (const card of cards) {
        const error = draw(card, faceOf(card), step);
        card.querySelector("b").textContent = percent(error);
        if (!card.hidden && error !== null) errors.push(error);
      }
      const mean = errors.reduce((sum, error) => sum + error, 0) / errors.length;
      const name = stepName(step);
      sliders.forEach((slider) => {
        slider.value = step;
        slider.setAttribute("aria-valuetext", name);
      });
      told.forEach((output) => {
        output.textContent = output.dataset.mean === undefined || !errors.length
          ? name : `${name}: mean ${percent(mean)}`;
      });
      showOpened(step);
    }

    function stop() {
      clearInterval(timer);
      timer = null;
      play.textContent = "▶ Play";
    }

    play.addEventListener("click", () => {
      if (timer) return stop();
      let step = Number(sliders[0].value) === last ? 0 : Number(sliders[0].value);
      show(step);
      play.textContent = "■ Stop";
      timer = setInterval(() => {
        step += 1;
        show(step);
        if (step >= last) stop();
      }, 450);
    });
    sliders.forEach((slider) => slider.addEventListener("input", () => {
      stop();
      show(Number(slider.value));
    }));

    all("[data-group]", root).forEach((button, _, buttons) => {
      button.addEventListener("click", () => {
        group = button.dataset.group;
        buttons.forEach((other) => other.setAttribute("aria-pressed", other === button));
        cards.forEach((card) => {
          card.hidden = group !== "all" && !faceOf(card).groups.includes(group);
        });
        show(Number(sliders[0].value));
      });
    });

    const keys = {
      error: (face) => face.errors.at(-1) ?? Infinity,
      first: (face) => face.errors[0] ?? Infinity,
      steps: (face) => face.shapes.length,
      score: (face) => face.score,
      name: (face) => face.name,
    };
    const order = root.querySelector("select");
    order.addEventListener("change", () => {
      const [key, direction] = order.value.split(" ");
      const sign = direction === "down" ? -1 : 1;
      const sorted = cards.map((card) => [keys[key](faceOf(card)), card]);
      sorted.sort(([a], [b]) => sign * (a < b ? -1 : a > b ? 1 : 0));
      list.append(...sorted.map(([, card]) => card));
    });

    all("[data-layer]", root).forEach((box) => {
      const apply = () => root.classList.toggle(`hide-${box.dataset.layer}`, !box.checked);
      box.addEventListener("change", apply);
      apply(); // a browser keeps boxes as they were when a page is loaded again
    });

    function open(card) {
      opened = card;
      const holder = dialog.querySelector(".holder");
      holder.replaceChildren(card.querySelector("svg").cloneNode(true));
      dialog.querySelector("h3").textContent = faceOf(card).name;
      showOpened(Number(sliders[0].value));
      if (!dialog.open) dialog.showModal();
    }
    cards.forEach((card) =>
      card.querySelector("button").addEventListener("click", () => open(card)));
    const leaf = (by) => {
      const row = visible();
      open(row[(row.indexOf(opened) + by + row.length) % row.length]);
    };
    dialog.querySelector(".before").addEventListener("click", () => leaf(-1));
    dialog.querySelector(".after").addEventListener("click", () => leaf(1));
    dialog.querySelector(".close").addEventListener("click", () => dialog.close());
    dialog.addEventListener("close", () => {
      opened?.querySelector("button").focus();
      opened = null;
    });
    dialog.addEventListener("click", (event) => {
      if (event.target === dialog) dialog.close();
    });

    all(".needs-script", root).forEach((element) => { element.hidden = false; });
    show(last);
  }

  all("table.sortable").forEach(sortable);
  all("input[type=search]").forEach((input) => {
    input.closest(".row").hidden = false;
    filterable(input);
  });
  all(".heat-map").forEach(heatMap);
  all("#faces").forEach(gallery);
})();
