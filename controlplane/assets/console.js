// What the console adds when there is JavaScript: uploads with progress, copying a secret, htmx set right.
// Everything to read works without this file.
(() => {
  "use strict";
  document.documentElement.classList.add("has-script");

  // An answer that is an error page's part is shown too: a search that failed says why.
  document.addEventListener("htmx:beforeSwap", (event) => {
    const status = event.detail.xhr.status;
    if (status >= 400 && status < 600 && status !== 401) {
      event.detail.shouldSwap = true;
      event.detail.isError = false;
    }
  });

  // Filters that are empty stay out of the address.
  document.addEventListener("htmx:configRequest", (event) => {
    if (event.detail.verb !== "get") return;
    for (const [name, value] of [...event.detail.formData.entries()]) {
      if (value === "") event.detail.formData.delete(name);
    }
  });

  for (const button of document.querySelectorAll("[data-copy]")) {
    button.addEventListener("click", async () => {
      const text = document.querySelector(button.dataset.copy).textContent;
      try {
        await navigator.clipboard.writeText(text);
        button.textContent = button.dataset.copied;
      } catch {
        const range = document.createRange();
        range.selectNodeContents(document.querySelector(button.dataset.copy));
        getSelection().removeAllRanges();
        getSelection().addRange(range);
      }
    });
  }

  const form = document.getElementById("upload-form");
  if (form) new Uploads(form);

  function Uploads(form) {
    const words = form.dataset;
    const chooser = form.querySelector("#f-file");
    const area = document.getElementById("drop-area");
    const list = document.getElementById("upload-list");
    const status = document.getElementById("upload-status");
    const waiting = [];
    let running = false;

    chooser.multiple = true;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      add(chooser.files);
      chooser.value = "";
      chooser.required = false;
    });

    for (const name of ["dragenter", "dragover"]) {
      area.addEventListener(name, (event) => {
        event.preventDefault();
        area.classList.add("is-over");
      });
    }
    for (const name of ["dragleave", "drop"]) area.addEventListener(name, () => area.classList.remove("is-over"));
    area.addEventListener("drop", (event) => {
      event.preventDefault();
      add(event.dataTransfer.files);
    });

    const retention = form.querySelector("[name=retention_policy]");
    const days = form.querySelector("[name=ttl_days]");
    const follow = () => {
      days.disabled = retention.value === "permanent";
    };
    retention.addEventListener("change", follow);
    follow();

    function add(files) {
      for (const file of files) waiting.push(new Row(file));
      next();
    }

    async function next() {
      if (running) return;
      running = true;
      for (let row = waiting.shift(); row; row = waiting.shift()) {
        if (!row.cancelled) await row.send();
      }
      running = false;
    }

    function Row(file) {
      const item = element("li", "upload-item");
      const name = element("span", "upload-name user-text", file.name);
      name.dir = "auto";
      const state = element("span", "upload-state", words.waiting);
      const bar = document.createElement("progress");
      bar.max = 100;
      bar.value = 0;
      bar.setAttribute("aria-label", file.name);
      const button = element("button", "btn btn-sm btn-outline-secondary", words.cancel);
      button.type = "button";
      item.append(name, state, bar, button);
      list.append(item);
      // What the form says now belongs to this document, whatever is typed afterwards.
      const fields = new FormData(form);
      fields.delete("file");
      let request = null;
      this.cancelled = false;
      button.addEventListener("click", () => {
        this.cancelled = true;
        if (request) request.abort();
        else finish(words.cancelled, "failed");
      });

      this.send = () =>
        new Promise((resolve) => {
          request = new XMLHttpRequest();
          request.open("POST", form.action);
          request.setRequestHeader("Accept", "application/json");
          request.setRequestHeader("X-CSRF-Token", fields.get("_csrf"));
          request.upload.addEventListener("progress", (event) => {
            if (!event.lengthComputable) return;
            const percent = Math.floor((event.loaded * 100) / event.total);
            bar.value = percent;
            state.textContent = percent < 100 ? `${percent}%` : words.checking;
          });
          request.addEventListener("load", () => {
            answer();
            resolve();
          });
          request.addEventListener("error", () => {
            fail(words.network);
            resolve();
          });
          request.addEventListener("abort", () => {
            finish(words.cancelled, "failed");
            resolve();
          });
          const body = new FormData();
          for (const [key, value] of fields) body.append(key, value);
          body.append("file", file, file.name);
          request.send(body);
        });

      const answer = () => {
        let result = {};
        try {
          result = JSON.parse(request.responseText);
        } catch {
          result = {};
        }
        if (request.status === 401) location.assign("/login");
        if (request.status !== 201) return fail(result.message || words.failed);
        bar.value = 100;
        finish(words.done, "done");
        const link = element("a", "btn btn-sm btn-outline-secondary", words.open);
        link.href = result.link;
        link.setAttribute("aria-label", `${words.open}: ${file.name}`);
        item.append(link);
      };

      const fail = (reason) => {
        finish(`${words.failed}: ${reason}`, "failed");
        const again = element("button", "btn btn-sm btn-outline-secondary", words.retry);
        again.type = "button";
        again.addEventListener("click", () => {
          item.remove();
          add([file]);
        });
        item.append(again);
      };

      const finish = (text, outcome) => {
        state.textContent = text;
        item.classList.add(`is-${outcome}`);
        button.remove();
        if (outcome === "failed") bar.remove();
        status.textContent = `${file.name}: ${text}`;
      };
    }

    function element(tag, names, text = "") {
      const made = document.createElement(tag);
      made.className = names;
      made.textContent = text;
      return made;
    }
  }
})();
