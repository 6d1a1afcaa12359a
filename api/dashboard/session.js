// When the session has ended, the pages of the dashboard sit still. This takes people to the sign-in page and back.
(() => {
  let leaving = false // several calls fail at once; going twice would abort the first
  const leave = () => {
    if (leaving) return
    leaving = true
    const here = location.pathname + location.search
    location.assign('/sign-in?next=' + encodeURIComponent(here))
  }
  const send = XMLHttpRequest.prototype.send
  XMLHttpRequest.prototype.send = function (...body) {
    this.addEventListener('loadend', () => { if (this.status === 401) leave() })
    return send.apply(this, body)
  }
  const ask = window.fetch
  window.fetch = async (...what) => {
    const answer = await ask(...what)
    if (answer.status === 401) leave()
    return answer
  }
})()
