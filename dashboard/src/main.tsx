document.body.textContent = "Vedette";
