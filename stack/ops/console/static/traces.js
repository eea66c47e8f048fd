// Operations are those of a service: another service means other operations.
document.getElementById("service").addEventListener("change", (event) => {
  document.getElementById("operation").value = "";
  event.target.form.submit();
});
